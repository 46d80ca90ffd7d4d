/** Words by their numbers in a file. */
import { BadValue, DataError } from '../data/data-error.js';
import { writtenPath, type DataPath } from '../data/files.js';
import type { HostTexts } from '../data/texts.js';
import { imageOf, wordsOf, type Image } from './image.js';

/** A file of words, one a line: the first line is number 0. */
export class Vocabulary {
  readonly #numbers = new Map<string, number>();

  /** Throws a DataError where a word stands on two lines. */
  constructor(
    readonly file: string,
    text: string,
  ) {
    const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
    // What ends the last line begins no word.
    if (lines.at(-1) === '') lines.pop();
    lines.forEach((word, number) => {
      const first = this.#numbers.get(word);
      if (first !== undefined)
        throw new DataError(
          `${JSON.stringify(word)} is on line ${first + 1} already, so that its number is not known; take one of them out`,
          { file, line: number + 1 },
        );
      this.#numbers.set(word, number);
    });
  }

  /** All words, in the order of their numbers. */
  get words(): readonly string[] {
    return [...this.#numbers.keys()];
  }

  numberOf(word: string): number | undefined {
    return this.#numbers.get(word);
  }
}

/**
 * The number of each word, i32 in the shape of `words`: that of its line in `file`, from 0. Upper and lower case are told apart. A word that
 * is not there has the number `unknown`; without one, its row is bad.
 */
export function lookup(
  words: HostTexts,
  { file, unknown }: { readonly file: string | DataPath; readonly unknown?: number },
): Image {
  const written = writtenPath(file);
  const vocabulary = wordsOf(written);
  const numbers = words.values.map((word) => {
    const number = vocabulary.numberOf(word) ?? unknown;
    if (number === undefined)
      throw new BadValue(
        `${JSON.stringify(word)} is no word of ${written}`,
        'add it there, or say what number unknown words have (unknown = …)',
        words.column,
      );
    return number;
  });
  return imageOf('i32', words.shape, Int32Array.from(numbers));
}
