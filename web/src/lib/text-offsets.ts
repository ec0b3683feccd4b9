/**
 * Cuts a text at offsets counted in Unicode characters, as the server counts them;
 * JavaScript's own indices count UTF-16 units and differ after an emoji.
 */
export function sliceByCharacter(text: string, start: number, end: number): [string, string, string] {
  const from = unitIndex(text, Math.max(0, start));
  const to = unitIndex(text, Math.max(0, start, end));
  return [text.slice(0, from), text.slice(from, to), text.slice(to)];
}

/** The index in UTF-16 units behind so many characters. */
export function unitIndex(text: string, characters: number): number {
  let index = 0;
  for (let count = 0; count < characters && index < text.length; count += 1) {
    index += (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1;
  }
  return index;
}
