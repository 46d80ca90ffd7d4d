/** Writes what predict steps return, one row a line. */
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { makeFolder } from '../../values/folders.js';
import { besides, fileError, sweepBesides, syncFolder } from '../checkpoint/files.js';
import { writtenPath, type DataPath } from '../data/files.js';
import type { OutputTexts } from '../data/texts.js';
import type { HostTensor } from '../engine/engine.js';
import { replaced, type AddOn } from './addon.js';

export interface PredictionsOptions {
  /** Ends in .csv or .jsonl. A relative one is in the current folder. */
  readonly file: string | DataPath;
}

/**
 * Writes rows as CSV or JSON lines, by the file's ending. The file appears, or replaces an older one, when its last row is on
 * disk. Throws for another ending.
 */
export function predictions(options: PredictionsOptions): AddOn {
  const name = writtenPath(options.file);
  const ending = extname(name).toLowerCase();
  if (ending !== '.csv' && ending !== '.jsonl') {
    throw new Error(
      `predictions writes .csv or .jsonl, got ${JSON.stringify(name)}; give the file one of these endings`,
    );
  }
  return {
    kind: 'predictions',
    phase: 'independent',
    owns: ['predictions'],
    withOptions: (values) => predictions(replaced(options, values)),
    start: (host) => {
      const file = resolve(host.root, name);
      const temporary = besides(file);
      let handle: FileHandle | null = null;
      let count = 0;
      return {
        predicted: async (rows) => {
          const lines = ending === '.csv' ? csvLines(rows) : jsonLines(rows);
          await refused(file, async () => {
            if (handle === null) {
              makeFolder(dirname(file));
              await sweepBesides(file);
              handle = await open(temporary, 'wx');
              if (ending === '.csv') await handle.appendFile(`${csvHeader(rows)}\n`);
            }
            await handle.appendFile(lines.map((line) => `${line}\n`).join(''));
          });
          count += lines.length;
        },
        predictEnd: async () => {
          const written = handle;
          if (written === null) return;
          await refused(file, async () => {
            await written.sync();
            await written.close();
            handle = null;
            await rename(temporary, file);
            await syncFolder(dirname(file));
          });
          host.report(`${count} rows written to ${file}`);
        },
        predictFailed: async () => {
          await handle?.close();
          handle = null;
          await rm(temporary, { force: true });
        },
      };
    },
  };
}

async function refused(file: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    throw fileError(`cannot write ${file}`, error, 'another file for predictions');
  }
}

type Rows = ReadonlyMap<string, HostTensor | OutputTexts>;

const sizeOf = (shape: readonly number[]): number => shape.slice(1).reduce((product, n) => product * n, 1);

function rowCount(rows: Rows): number {
  const counts = new Set([...rows.values()].map(({ shape }) => shape[0] ?? 0));
  const [count = 0, ...others] = counts;
  if (others.length > 0)
    throw new Error(
      `a predict step returned fields of ${[...counts].join(' and ')} rows; return one row for each row`,
    );
  return count;
}

/** `guess`, or `scores.0`, `scores.1`, … for a field with several values. */
export function csvHeader(rows: Rows): string {
  return [...rows]
    .flatMap(([name, { shape }]) => {
      const size = sizeOf(shape);
      return shape.length <= 1 ? [name] : Array.from({ length: size }, (_, index) => `${name}.${index}`);
    })
    .join(',');
}

export function csvLines(rows: Rows): readonly string[] {
  return Array.from({ length: rowCount(rows) }, (_, row) =>
    [...rows.values()].flatMap((field) => valuesAt(field, row).map(csvCell)).join(','),
  );
}

/** A text with a comma, a quote or a line break in it stands in quotes (RFC 4180). */
function csvCell(value: number | boolean | string): string {
  const text = String(value);
  return typeof value === 'string' && /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function jsonLines(rows: Rows): readonly string[] {
  return Array.from({ length: rowCount(rows) }, (_, row) => {
    const entries = [...rows].map(([name, field]): [string, unknown] => {
      const values = valuesAt(field, row).map(jsonValue);
      return [name, field.shape.length <= 1 ? values[0] : nested(values, field.shape.slice(1))];
    });
    return JSON.stringify(Object.fromEntries(entries));
  });
}

function valuesAt(field: HostTensor | OutputTexts, row: number): readonly (number | boolean | string)[] {
  if (field.dtype === 'string') return field.values.slice(row, row + 1);
  const { values, shape, dtype } = field;
  const size = sizeOf(shape);
  const own = [...values.subarray(row * size, (row + 1) * size)];
  return dtype === 'bool' ? own.map((value) => value !== 0) : dtype === 'f32' ? own.map(shortest) : own;
}

/** The shortest decimal that reads back as the same f32. */
function shortest(value: number): number {
  // Nine digits tell every f32 from its neighbours.
  for (let digits = 1; digits <= 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

// JSON has no NaN and no infinities; their names are what other readers of JSON lines take.
function jsonValue(value: number | boolean | string): number | boolean | string {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function nested(values: readonly unknown[], shape: readonly number[]): unknown {
  const [count = 0, ...inner] = shape;
  if (inner.length === 0) return values;
  const size = values.length / Math.max(1, count);
  return Array.from({ length: count }, (_, index) =>
    nested(values.slice(index * size, (index + 1) * size), inner),
  );
}
