/** How many rows the files of a data set have, for a run's plan: read here, since nothing runs. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { evaluateIr, type HostNames } from '../checker/evaluate.js';
import { optionOf } from '../checker/training/input.js';
import type { IrData } from '../checker/ir.js';
import { reasonOf } from '../node-host.js';

export type RowCount = { readonly rows: number } | { readonly unknown: string };

/** Line breaks inside quotes belong to a cell. */
const csvRows = (text: string): number => {
  let rows = 0;
  let quoted = false;
  let filled = false;
  for (const letter of text) {
    if (letter === '"') quoted = !quoted;
    if (letter === '\n' && !quoted) {
      if (filled) rows += 1;
      filled = false;
    } else if (letter !== '\r') filled = true;
  }
  return Math.max(0, rows + (filled ? 1 : 0) - 1);
};

const lines = (text: string): number => text.split('\n').filter((line) => line.trim() !== '').length;

/** The second number of an IDX file's head is its count of rows. */
const idxRows = (path: string): number => {
  if (path.endsWith('.gz')) return gunzipSync(readFileSync(path)).readUInt32BE(4);
  const head = Buffer.alloc(8);
  const file = openSync(path, 'r');
  try {
    readSync(file, head, 0, 8, 0);
  } finally {
    closeSync(file);
  }
  return head.readUInt32BE(4);
};

const files: ReadonlyMap<string, string> = new Map([
  ['csv', 'file'],
  ['jsonl', 'file'],
  ['idx', 'labels'],
]);

/** Of the sources that read one file; others are known to the checker, or to nobody before the run. */
export const countRows = (specPath: string, data: IrData, names: HostNames): RowCount => {
  if (data.source.kind === 'extern') return { unknown: `its rows come from ${data.source.module ?? 'code'}` };
  const argument = files.get(data.source.name);
  const given = argument === undefined ? null : optionOf(data.arguments, argument);
  const file = given === null ? undefined : evaluateIr(given, names);
  if (typeof file !== 'string')
    return { unknown: `the rows of ${data.source.name} are not known before the run` };
  const path = resolve(dirname(specPath), file);
  try {
    if (data.source.name === 'idx') return { rows: idxRows(path) };
    const text = readFileSync(path, 'utf8');
    return { rows: data.source.name === 'csv' ? csvRows(text) : lines(text) };
  } catch (error) {
    return { unknown: `${file} cannot be read: ${reasonOf(error)}` };
  }
};
