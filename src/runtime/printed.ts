/** What `test` and `predict` print: what a program reads goes to stdout, and nothing else does. */
import { extname } from 'node:path';
import { nameOfAddOn, type AddOn } from './addons/addon.js';
import { csvHeader, csvLines, jsonLines } from './addons/predictions.js';
import { showNumber, table } from './progress/format.js';
import { tableLines } from './progress/training.js';
import type { Table } from './rows/reduction.js';
import { UsageError } from '../values/overrides.js';
import { jsonNumber } from './run/folder.js';
import { jsonTable } from './trainer/run-record.js';
import type { Outputs } from './trainer/stage.js';

/** Where it is printed. */
export interface PrintStreams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** Writes rows to stdout: JSON lines, or CSV with a header for each step and an empty line between two steps. */
export class RowPrinter {
  #step: string | null = null;

  constructor(
    private readonly isJson: boolean,
    private readonly streams: PrintStreams,
  ) {}

  /** Whether rows were written. */
  get hasRows(): boolean {
    return this.#step !== null;
  }

  write(step: string, rows: Outputs): void {
    const { stdout } = this.streams;
    if (!this.isJson && this.#step !== step) {
      if (this.#step !== null) stdout.write('\n');
      stdout.write(`${csvHeader(rows)}\n`);
    }
    this.#step = step;
    stdout.write((this.isJson ? jsonLines(rows) : csvLines(rows)).map((line) => `${line}\n`).join(''));
  }
}

/** Throws a UsageError: rows that an add-on takes are not printed, so `--json` would say nothing of them. */
export function refuseJson(by: AddOn): never {
  const name = nameOfAddOn(by);
  const { file } = by.options ?? {};
  const isFile = by.kind === 'predictions' && typeof file === 'string';
  const instead = !isFile
    ? ''
    : extname(file).toLowerCase() === '.jsonl'
      ? ': they are JSON there'
      : ', or give the file the ending .jsonl in the spec';
  throw new UsageError(
    `--json prints rows, and the add-on ${name} takes them${isFile ? ` to ${file}` : ''}; leave it out${instead}`,
  );
}

const infinite = Number.POSITIVE_INFINITY;

/** A metric that is a table, and what its rows and columns are called. */
export interface NamedTable {
  readonly values: Table;
  readonly classes: readonly string[] | undefined;
}

/**
 * Metrics in columns, then those that are tables; with `json` all of them as one object in a line, and the names of a table's rows and
 * columns as `.classes` of it.
 */
export function metricLines(
  metrics: ReadonlyMap<string, number>,
  tables: ReadonlyMap<string, NamedTable>,
  json: boolean,
): readonly string[] {
  if (!json)
    return [
      ...table(
        [...metrics].map(([name, value]) => [name, showNumber(value)]),
        infinite,
      ),
      ...[...tables].flatMap(([name, { values, classes }]) =>
        tableLines(name, values, { columns: infinite, classes }),
      ),
    ];
  const all = [
    ...[...metrics].map(([name, value]) => [name, jsonNumber(value)] as const),
    ...[...tables].flatMap(([name, { values, classes }]) => [
      [name, jsonTable(values)] as const,
      ...(classes === undefined ? [] : [[`${name}.classes`, classes] as const]),
    ]),
  ];
  return [JSON.stringify(Object.fromEntries(all))];
}
