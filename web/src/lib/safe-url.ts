const LINK_SCHEMES = new Set(['http:', 'https:', 'mailto:']);

/** The address if model output may link to it, else undefined. */
export function safeLink(href: string | undefined): string | undefined {
  if (!href) return undefined;
  try {
    // Relative addresses would point into this app: a model has no business there.
    const url = new URL(href);
    return LINK_SCHEMES.has(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** A path of this app to go to after signing in; anything else becomes `/`. */
export function safeReturnPath(path: string | undefined): string {
  if (!path?.startsWith('/') || path.startsWith('//') || path.startsWith('/\\')) return '/';
  return path;
}
