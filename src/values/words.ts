/** Words over lines that are as wide as a terminal: what a person reads there never breaks inside of a word that fits. */
import stringWidth from 'string-width';

/** Columns of a terminal that a text takes: wide letters (Chinese, emoji) have two, marks upon others none. */
export function columnsOf(text: string): number {
  // Nearly all that a run prints.
  return /^[\u0020-\u007e]*$/.test(text) ? text.length : stringWidth(text);
}

/**
 * Words over as many lines as the width asks for, all but the first indented; a longer word has a line of its own, at the left
 * edge where that is what it needs to fit.
 */
export function wrapWords(text: string, width: number, indent = 2): readonly string[] {
  const lead = /^ */.exec(text)?.[0] ?? '';
  const [first = '', ...words] = text.slice(lead.length).split(' ');
  const begin = (word: string, space: string): string => {
    const size = columnsOf(word);
    return size + space.length > width && size <= width ? word : `${space}${word}`;
  };
  const lines: string[] = [];
  let line = begin(first, lead);
  for (const word of words) {
    const longer = `${line} ${word}`;
    if (columnsOf(longer) <= width) line = longer;
    else if (word !== '') {
      lines.push(line.trimEnd());
      line = begin(word, ' '.repeat(indent));
    }
  }
  return [...lines, line];
}

/** Columns that words beside a term need at least: with fewer they stand below it. */
const readable = 24;

/**
 * A term and what is said of it, in a list whose terms have `termWidth` columns: beside it, or below where a terminal of `width` columns
 * has no room for that.
 */
export function termLines(
  term: string,
  text: string,
  {
    termWidth,
    gap = 2,
    width,
  }: { readonly termWidth: number; readonly gap?: number; readonly width: number },
): readonly string[] {
  const beside = 2 + termWidth + gap;
  const whole = `  ${term}${' '.repeat(Math.max(0, termWidth - columnsOf(term)) + gap)}${text}`;
  if (text === '') return wrapWords(`  ${term}`, width, 4);
  if (columnsOf(whole) <= width || width - beside >= readable) return wrapWords(whole, width, beside);
  return [...wrapWords(`  ${term}`, width, 4), ...indented(text, width, width < 2 * readable ? 4 : 6)];
}

/** Lines of words, all of them indented. */
export function indented(text: string, width: number, indent: number): readonly string[] {
  return wrapWords(`${' '.repeat(indent)}${text}`, width, indent);
}
