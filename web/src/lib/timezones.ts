export interface TimezoneOption {
  value: string;
  label: string;
  /** What a person may type: the name with spaces, too. */
  search: string;
}

export function deviceTimezone(): string | undefined {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || undefined;
}

function offset(zone: string, now: Date): string {
  try {
    const parts = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'shortOffset' }).formatToParts(now);
    return (parts.find(({ type }) => type === 'timeZoneName')?.value ?? '').replace('GMT', 'UTC');
  } catch {
    return '';
  }
}

/** All time zones that the browser knows, and the present one. */
export function timezones(present: string): TimezoneOption[] {
  const now = new Date();
  const names = new Set(['UTC', present, deviceTimezone() ?? present, ...Intl.supportedValuesOf('timeZone')]);
  return [...names].map((value) => {
    const at = offset(value, now);
    const label = at === '' || at === value ? value : `${value} (${at})`;
    return { value, label, search: `${label} ${value.replaceAll('_', ' ')}` };
  });
}
