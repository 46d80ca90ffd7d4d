/** CSV files with a header line. */
import { CsvError, parse } from 'csv-parse/sync';
import { likelyDelimiter } from '../../values/delimiters.js';
import { checkText, listed, Misfit, parseCell } from './cells.js';
import { DataError } from './data-error.js';
import { dataOf, type CommonOptions, type Data, type OpenRows } from './data.js';
import { decodeText, folderIn, readBytes, writtenPath, type DataPath, type FileHost } from './files.js';
import { fieldText, isText, rowSize, type Batch, type RecordType, type RowField } from './record.js';
import { ColumnMisfit, startTable, type FieldReader, type TableFile } from './table.js';
import { counted } from '../../values/counted.js';

/** A column's name, several names, or names with `*` for any text, in the order of the file. */
export type ColumnChoice = string | readonly string[];

export interface CsvOptions extends CommonOptions {
  /** Relative to the data root. Plain or gzip-compressed. */
  readonly file: string | DataPath;
  readonly record: RecordType;
  /** Which columns a field is made of; without an entry, the column of the field's name. */
  readonly columns?: Readonly<Record<string, ColumnChoice>>;
  /** One character, `,` unless given. */
  readonly delimiter?: string;
  /** Texts that stand for no value in fields that may be missing; an empty cell unless given. */
  readonly missing?: readonly string[];
}

/** Rows of a CSV file with a header line. Throws a `DataError` that names file, line, row and column. */
export function csv<B extends Batch>(options: CsvOptions): Data<B> {
  const { file, record, columns = {}, delimiter = ',', missing = [''], ...common } = options;
  const written = writtenPath(file);
  for (const name of Object.keys(columns)) {
    if (!Object.hasOwn(record, name)) {
      throw new DataError(
        `columns names '${name}', which is no field of the record; its fields are ${listed(Object.keys(record))}`,
        {
          file: written,
        },
      );
    }
  }
  const source = {
    name: `csv ${written}`,
    record,
    key: JSON.stringify(['csv', written, record, columns, delimiter, missing]),
    open: async (host: FileHost, onBadRow: 'error' | 'skip') =>
      readTable(
        decodeText(await readBytes(host, file), written),
        { file: written, folder: folderIn(host.root, file), record, onBadRow },
        { columns, delimiter, gaps: new Set(missing.map((text) => text.trim())) },
      ),
  };
  return dataOf<B>(source, common);
}

interface Line {
  readonly cells: readonly string[];
  readonly line: number;
}

/** How the text of a file is read. */
interface Form {
  readonly columns: Readonly<Record<string, ColumnChoice>>;
  readonly delimiter: string;
  /** Texts that stand for no value. */
  readonly gaps: ReadonlySet<string>;
}

function readTable(text: string, from: TableFile, { columns, delimiter, gaps }: Form): OpenRows {
  const { file, record } = from;
  const [header, ...rows] = parseLines(text, file, delimiter);
  if (header === undefined) {
    throw new DataError('the file is empty; its first line must name the columns', { file });
  }
  const names = header.cells.map((name) => name.trim());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new DataError(`the header names column '${twice}' twice; rename one of them`, {
      file,
      line: header.line,
    });
  }
  const likely = likelyDelimiter(names, delimiter);
  const asked = Object.keys(record).flatMap((name) =>
    Object.hasOwn(columns, name) ? (columns[name] ?? []) : [name],
  );
  if (likely !== null && !asked.some((name) => name === names[0] || name.includes('*'))) {
    throw new DataError(
      `the header is one name, '${names[0] ?? ''}'; the separator seems to be ${JSON.stringify(likely)}: set delimiter = ${JSON.stringify(likely)}`,
      { file, line: header.line },
    );
  }
  const readers = Object.entries(record).map(([name, field]) =>
    fieldReader(name, field, chosenColumns(name, field, names, columns, file), names, gaps),
  );
  const table = startTable(from, readers);
  for (const { cells, line } of rows) {
    if (cells.length === names.length) table.add(cells, line);
    else table.reject(`the row has ${counted(cells.length, 'cell')} and the header ${names.length}`, line);
  }
  return table.finish();
}

function parseLines(text: string, file: string, delimiter: string): readonly Line[] {
  const lines: Line[] = [];
  try {
    parse(text, {
      delimiter,
      bom: true,
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: (cells: string[], { lines: line }) => {
        lines.push({ cells, line });
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const open = error.code === 'CSV_QUOTE_NOT_CLOSED' ? openQuoteLine(text) : null;
    const line = open ?? (typeof error['lines'] === 'number' ? error['lines'] : undefined);
    const problem =
      open === null
        ? error.message.charAt(0).toLowerCase() + error.message.slice(1)
        : 'quote not closed: it opens on this line and has no end';
    throw new DataError(
      `the text is not CSV with '${delimiter}' between cells (${problem}); correct the quotes or the delimiter`,
      {
        file,
        line,
      },
    );
  }
  return lines;
}

/** The line of the quote that is still open at the end. */
function openQuoteLine(text: string): number | null {
  let opened: number | null = null;
  let line = 1;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === '\n') line += 1;
    if (letter !== '"') continue;
    // Inside of quotes, two of them are one of the text's.
    if (opened !== null && text[at + 1] === '"') at += 1;
    else opened = opened === null ? line : null;
  }
  return opened;
}

/** Positions in the header of a field's columns. */
function chosenColumns(
  name: string,
  field: RowField,
  names: readonly string[],
  columns: Readonly<Record<string, ColumnChoice>>,
  file: string,
): readonly number[] {
  const choice = Object.hasOwn(columns, name) ? columns[name] : undefined;
  const size = rowSize(field);
  if (choice === undefined && field.shape.length > 0 && !names.includes(name)) {
    throw new DataError(
      `field '${name}' (${fieldText(field)}) needs ${counted(size, 'column')}; list them, as columns = { ${name}: ["…"] }, or give a pattern with *; the file has ${listed(names)}`,
      { file, line: 1, column: name },
    );
  }
  const wanted = choice ?? name;
  const found = (typeof wanted === 'string' ? [wanted] : wanted).flatMap((column): number[] => {
    const exact = names.indexOf(column);
    if (exact >= 0) return [exact];
    const matched = column.includes('*') ? matching(column, names) : [];
    if (matched.length > 0) return [...matched];
    const what = column.includes('*') ? `no column matches '${column}'` : `there is no column '${column}'`;
    throw new DataError(
      `${what} for field '${name}'; the file has ${listed(names)}; correct the name or set columns`,
      {
        file,
        line: 1,
        column,
      },
    );
  });
  if (found.length !== size) {
    const got = found.map((i) => names[i] ?? '');
    throw new DataError(
      `field '${name}' (${fieldText(field)}) needs ${counted(size, 'column')}, got ${found.length}: ${listed(got)}; correct columns or the shape`,
      { file, line: 1, column: name },
    );
  }
  return found;
}

/** Positions of the names that a pattern matches, in the file's order. */
function matching(pattern: string, names: readonly string[]): readonly number[] {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const form = new RegExp(`^${parts.join('.*')}$`, 's');
  return names.flatMap((name, i) => (form.test(name) ? [i] : []));
}

function fieldReader(
  name: string,
  field: RowField,
  positions: readonly number[],
  names: readonly string[],
  gapTexts: ReadonlySet<string>,
): FieldReader<readonly string[]> {
  const inColumn = <T>(position: number, read: () => T): T => {
    try {
      return read();
    } catch (error) {
      if (error instanceof Misfit) throw new ColumnMisfit(names[position] ?? name, error.message);
      throw error;
    }
  };
  if (isText(field))
    return {
      name,
      field,
      texts: (cells) => ({
        shape: field.shape,
        values: positions.map((position) =>
          inColumn(position, () => checkText(field, cells[position] ?? '')),
        ),
      }),
    };
  return {
    name,
    field,
    push(cells, out, gaps) {
      for (const position of positions) {
        const cell = cells[position] ?? '';
        const isGap = field.missing === true && gapTexts.has(cell.trim());
        if (field.missing === true) gaps.push(isGap ? 1 : 0);
        if (isGap) {
          out.push(0);
          continue;
        }
        out.push(inColumn(position, () => parseCell(field, cell)));
      }
    },
  };
}
