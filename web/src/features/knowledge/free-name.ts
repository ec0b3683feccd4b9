/** The name, or with the first number behind it that makes it a new one; names differ by more than case. */
export function freeName(name: string, taken: string[]): string {
  const used = new Set(taken.map((other) => other.toLowerCase()));
  let free = name;
  for (let number = 2; used.has(free.toLowerCase()); number += 1) free = `${name} ${number}`;
  return free;
}
