/** What a number or a string means. After this: values, with every fault in how they are written. */

/** A fault in a string's escapes, as offsets in the literal's own text. */
export interface EscapeFault {
  readonly start: number;
  readonly end: number;
  readonly found: string;
}

const simpleEscapes: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['"', '"'],
  ['\\', '\\'],
]);

const unicodeEscape = /\\u\{([0-9A-Fa-f]{1,6})\}/y;

/** Reads a literal with its quotes (the closing one may be missing). A faulty escape stands for its own text. */
export const decodeString = (
  literal: string,
): { readonly value: string; readonly faults: readonly EscapeFault[] } => {
  const faults: EscapeFault[] = [];
  const quote = literal.charAt(0);
  const end = literal.length > 1 && literal.endsWith(quote) ? literal.length - 1 : literal.length;
  let value = '';
  let plain = 1;
  for (let at = literal.indexOf('\\', 1); at >= 0 && at < end; at = literal.indexOf('\\', plain)) {
    value += literal.slice(plain, at);
    const letter = literal.charAt(at + 1);
    const simple = simpleEscapes.get(letter) ?? (letter === quote ? letter : undefined);
    unicodeEscape.lastIndex = at;
    const hexadecimal = letter === 'u' ? unicodeEscape.exec(literal) : null;
    const point = Number.parseInt(hexadecimal?.[1] ?? '', 16);
    let length = 2;
    if (simple !== undefined) value += simple;
    else if (hexadecimal && point <= 0x10ffff) {
      value += String.fromCodePoint(point);
      length = hexadecimal[0].length;
    } else {
      length = Math.min(hexadecimal?.[0].length ?? 2, end - at);
      const found = literal.slice(at, at + length);
      faults.push({ start: at, end: at + length, found });
      value += found;
    }
    plain = at + length;
  }
  return { value: value + literal.slice(plain, end), faults };
};

/** The value of a number's text; of a faulty one, the number it starts with. */
export const numberValue = (text: string): number => {
  const plain = text.replaceAll('_', '');
  const value = Number(plain);
  return Number.isNaN(value) ? Number.parseFloat(plain) : value;
};
