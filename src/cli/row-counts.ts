/** How many rows the files of a data set have, for checks and plans: read here, since nothing runs. */
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { HostNames } from '../checker/evaluate.js';
import type { Host } from '../checker/host.js';
import type { IrData } from '../checker/ir.js';
import { delimiterOf, fileOfRows } from '../checker/training/counted-rows.js';
import { reasonOf } from '../node-host.js';

export type RowCount = { readonly rows: number } | { readonly unknown: string };

const [newline, carriage, quote, space, tab] = [10, 13, 34, 32, 9];

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** A byte order mark, which is no text. */
const hasMark = (bytes: Uint8Array): boolean => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;

/** What is counted as it is read: compressed files have more of it than bytes. */
const contentOf = (path: string, most: number): Buffer => {
  const bytes = readFileSync(path);
  if (!isGzip(bytes)) return bytes;
  return most < Number.POSITIVE_INFINITY ? gunzipSync(bytes, { maxOutputLength: most }) : gunzipSync(bytes);
};

/** Where the quote that opened before `from` closes: two in a row are one of the text's. -1 where it does not. */
const closingQuote = (bytes: Uint8Array, from: number): number => {
  let at = bytes.indexOf(quote, from);
  while (at >= 0 && bytes[at + 1] === quote) at = bytes.indexOf(quote, at + 2);
  return at;
};

/**
 * Records of a CSV file but for its header; null where quotes stand as a run does not take them, or lines end in a way that
 * only the run makes out. Line breaks in quotes are a cell's.
 */
const csvRows = (bytes: Uint8Array, delimiter: string): number | null => {
  // Without one byte for it, quotes are made out at the start of a line alone.
  const letters = Buffer.from(delimiter);
  const between = letters.length === 1 ? letters[0] : newline;
  let rows = 0;
  let [filled, starts] = [false, true];
  let ending: number | undefined;
  // By index: an iterator takes several times as long, and files are large.
  for (let at = hasMark(bytes) ? 3 : 0; at < bytes.length; at += 1) {
    const letter = bytes[at];
    if (letter === newline || letter === carriage) {
      // A run takes the first end of a line for that of all.
      ending ??= letter;
      if (letter !== ending) return null;
      if (letter === carriage) {
        at += 1;
        if (bytes[at] !== newline) return null;
      }
      if (filled) rows += 1;
      [filled, starts] = [false, true];
    } else if (letter === quote) {
      const end = starts ? closingQuote(bytes, at + 1) : -1;
      const next = bytes[end + 1];
      const closes = next === undefined || next === newline || next === carriage || next === between;
      if (end < 0 || !closes) return null;
      at = end;
      [filled, starts] = [true, false];
    } else {
      filled = true;
      starts = letter === between;
    }
  }
  return Math.max(0, rows + (filled ? 1 : 0) - 1);
};

/** Lines that are more than spaces. */
const filledLines = (bytes: Uint8Array): number => {
  let lines = 0;
  let filled = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const letter = bytes[at];
    if (letter === newline) {
      if (filled) lines += 1;
      filled = false;
    } else if (letter !== space && letter !== tab && letter !== carriage) filled = true;
  }
  return lines + (filled ? 1 : 0);
};

/** The first bytes of a file, or all of them where it has fewer. */
const startOf = (path: string, length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  const file = openSync(path, 'r');
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, length, 0));
  } finally {
    closeSync(file);
  }
};

/** The head of an IDX file has four bytes and at most 255 sizes. */
const longestHead = 4 + 4 * 255;

/** The first size that an IDX file's head names; null where a run refuses the file: it reads unsigned bytes, as many as promised. */
const idxRows = (start: Buffer, size: number): number | null => {
  const rank = start[3] ?? 0;
  const head = 4 + 4 * rank;
  if (start[0] !== 0 || start[1] !== 0 || start[2] !== 8 || rank === 0 || start.length < head) return null;
  const sizes = Array.from({ length: rank }, (_, at) => start.readUInt32BE(4 + 4 * at));
  const promised = sizes.reduce((product, each) => product * each, 1);
  return size === head + promised ? (sizes[0] ?? null) : null;
};

/** Null where only the run can tell. `most`: bytes that are read, and what comes of them unpacked. */
const rowsIn = (path: string, source: string, delimiter: string, most: number): number | null => {
  const found = statSync(path);
  // A pipe is read once, by the run, and a device may have no end; of a folder, reading says what it is.
  if (!found.isFile() && !found.isDirectory()) return null;
  if (source === 'idx') {
    const start = startOf(path, longestHead);
    if (!isGzip(start)) return idxRows(start, found.size);
  }
  if (found.size > most) return null;
  const content = contentOf(path, most);
  if (source === 'idx') return idxRows(content, content.length);
  return source === 'csv' ? csvRows(content, delimiter) : filledLines(content);
};

/** A check counts files up to this size, which takes a few tenths of a second; of what is larger it knows no rows. */
export const mostCounted = 64 * 2 ** 20;

/** Counts for a check: null where the file is not there or no file, is too large, or is not what it should be. */
export const countingHost: Required<Pick<Host, 'countRows'>> = {
  countRows: (path, source, delimiter) => {
    try {
      return rowsIn(path, source, delimiter, mostCounted);
    } catch {
      return null;
    }
  },
};

/** Of the sources that read one file; others are known to the checker, or to nobody before the run. */
export const countRows = (specPath: string, data: IrData, names: HostNames): RowCount => {
  if (data.source.kind === 'extern') return { unknown: `its rows come from ${data.source.module ?? 'code'}` };
  const file = fileOfRows(data, names);
  if (typeof file !== 'string')
    return { unknown: `the rows of ${data.source.name} are not known before the run` };
  try {
    const path = resolve(dirname(specPath), file);
    const rows = rowsIn(path, data.source.name, delimiterOf(data, names), Number.POSITIVE_INFINITY);
    return rows === null ? { unknown: `the rows of ${file} are counted by the run alone` } : { rows };
  } catch (error) {
    return { unknown: `${file} cannot be read: ${reasonOf(error)}` };
  }
};
