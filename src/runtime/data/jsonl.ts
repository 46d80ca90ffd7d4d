/** Files of JSON objects, one a line. */
import { jsonNumbers, jsonTexts, pushJson } from './cells.js';
import { dataOf, type CommonOptions, type Data, type OpenRows } from './data.js';
import { decodeText, folderIn, readBytes, writtenPath, type DataPath, type FileHost } from './files.js';
import { isOpen, isText, type Batch, type RecordType, type RowField } from './record.js';
import { startTable, type FieldReader, type TableFile } from './table.js';

export interface JsonlOptions extends CommonOptions {
  /** Relative to the data root. Plain or gzip-compressed. */
  readonly file: string | DataPath;
  readonly record: RecordType;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Rows of a file of JSON objects, one a line; further keys are left alone. Throws a `DataError` with the place. */
export function jsonl<B extends Batch>({ file, record, ...common }: JsonlOptions): Data<B> {
  const written = writtenPath(file);
  const source = {
    name: `jsonl ${written}`,
    record,
    key: JSON.stringify(['jsonl', written, record]),
    open: async (host: FileHost, onBadRow: 'error' | 'skip') =>
      readLines(decodeText(await readBytes(host, file), written), {
        file: written,
        folder: folderIn(host.root, file),
        record,
        onBadRow,
      }),
  };
  return dataOf<B>(source, common);
}

const valueOf = (row: JsonObject, name: string): unknown =>
  Object.hasOwn(row, name) ? row[name] : undefined;

function readerOf(name: string, field: RowField): FieldReader<JsonObject> {
  if (isText(field)) return { name, field, texts: (row) => jsonTexts(field, valueOf(row, name)) };
  if (isOpen(field)) return { name, field, numbers: (row) => jsonNumbers(field, valueOf(row, name)) };
  return {
    name,
    field,
    push: (row, values, gaps) => {
      pushJson(field, valueOf(row, name), { values, gaps });
    },
  };
}

function readLines(text: string, from: TableFile): OpenRows {
  const readers = Object.entries(from.record).map(([name, field]) => readerOf(name, field));
  const table = startTable(from, readers);
  text.split('\n').forEach((content, i) => {
    if (content.trim() === '') return;
    const value = parseJson(content);
    if (isObject(value)) table.add(value, i + 1);
    else
      table.reject(
        value instanceof SyntaxError ? notJson(value) : 'the line is JSON but no object { … }',
        i + 1,
      );
  });
  return table.finish();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}

function notJson(error: SyntaxError): string {
  return `the line is not JSON (${error.message.charAt(0).toLowerCase()}${error.message.slice(1)})`;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Error);
}
