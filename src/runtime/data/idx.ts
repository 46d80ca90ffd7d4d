/**
 * Arrays in the IDX format (Y. LeCun's for MNIST): two zero bytes, a type byte (8: unsigned bytes), the number of sizes,
 * each size as 32 bits big-endian, then the values.
 */
import { DataError } from './data-error.js';
import { dataOf, type CommonOptions, type Data, type OpenRows } from './data.js';
import { readBytes, writtenPath, type DataPath, type FileHost } from './files.js';
import { rowsInMemory } from './memory.js';
import {
  allocate,
  fieldText,
  numberFields,
  fits,
  rangeText,
  rowSize,
  type Batch,
  type FieldType,
  type RecordType,
} from './record.js';
import { counted, grouped } from '../../values/counted.js';

export interface IdxOptions extends CommonOptions {
  /** Relative to the data root. Plain or gzip-compressed. */
  readonly images: string | DataPath;
  readonly labels: string | DataPath;
  /** Two fields: the one with sizes is read from `images`, the one without from `labels`. */
  readonly record: RecordType;
}

/** Arrays in the IDX format (also gzip-compressed): images u8[rows, …] and labels u8[rows]. */
export function idx<B extends Batch>({ images, labels, record, ...common }: IdxOptions): Data<B> {
  const source = {
    name: `idx ${writtenPath(images)}`,
    record,
    key: JSON.stringify(['idx', writtenPath(images), writtenPath(labels), record]),
    open: (host: FileHost) => openIdx(host, images, labels, record),
  };
  return dataOf<B>(source, common);
}

/** Reads both files of a set. `advice` says what to do where one is missing. */
export async function openIdx(
  host: FileHost,
  images: string | DataPath,
  labels: string | DataPath,
  record: RecordType,
  advice?: string,
): Promise<OpenRows> {
  const fields = numberFields(record, writtenPath(images));
  const image = fields.find(([, field]) => field.shape.length > 0);
  const label = fields.find(([, field]) => field.shape.length === 0);
  if (image === undefined || label === undefined || fields.length !== 2) {
    const got = fields.map(([name, field]) => `${name}: ${fieldText(field)}`).join(', ');
    throw new DataError(
      `a record of IDX files has one field with sizes (the images) and one without (the labels), got { ${got} }; correct the record`,
      { file: writtenPath(images) },
    );
  }
  const pixels = parseIdx(await readBytes(host, images, advice), writtenPath(images), image);
  const classes = parseIdx(await readBytes(host, labels, advice), writtenPath(labels), label);
  if (pixels.rows !== classes.rows) {
    throw new DataError(
      `the file has ${counted(classes.rows, 'label')}, and ${writtenPath(images)} ${counted(pixels.rows, 'image')}; both files must belong together`,
      { file: writtenPath(labels) },
    );
  }
  return rowsInMemory(
    record,
    new Map([
      [image[0], pixels.values],
      [label[0], classes.values],
    ]),
    pixels.rows,
  );
}

function parseIdx(bytes: Buffer, file: string, [name, field]: readonly [string, FieldType]) {
  const fail = (problem: string): never => {
    throw new DataError(problem, { file });
  };
  if (bytes.length < 4)
    fail(`the file has ${counted(bytes.length, 'byte')}, too few for an IDX header; fetch it again`);
  const magic = bytes.readUInt32BE(0);
  if (magic >>> 16 !== 0) {
    fail(
      `this is no IDX file: it starts with 0x${hex(magic)}, not with two zero bytes; check which file it is`,
    );
  }
  const type = (magic >>> 8) & 0xff;
  if (type !== 8)
    fail(
      `the values have IDX type 0x${type.toString(16)}; only unsigned bytes (0x8) are read; convert the file`,
    );
  const rank = magic & 0xff;
  const header = 4 + 4 * rank;
  if (rank === 0 || bytes.length < header) {
    fail(
      `the header promises ${counted(rank, 'size')} and the file has ${counted(bytes.length, 'byte')}; fetch it again`,
    );
  }
  const [rows = 0, ...shape] = Array.from({ length: rank }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  const size = rowSize(field);
  // A field may name a last size of 1 (the one channel of an image) that the file leaves out.
  if (trimmed(shape).join(',') !== trimmed(field.shape).join(',')) {
    fail(
      `a row of the file has shape [${shape.join(', ')}], field '${name}' is ${fieldText(field)}; correct the record or the file`,
    );
  }
  if (bytes.length !== header + rows * size) {
    fail(
      `the header promises ${counted(rows, 'row')} of ${counted(size, 'byte')} (${grouped(header + rows * size)} in all), the file has ${counted(bytes.length, 'byte')} unpacked; it is cut short or damaged, fetch it again`,
    );
  }
  const values = allocate(field.dtype, rows * size);
  values.set(bytes.subarray(header));
  const wrong = field.dtype === 'bool' ? values.findIndex((value) => !fits('bool', value)) : -1;
  if (wrong >= 0) {
    throw new DataError(`${values[wrong] ?? ''} is not ${rangeText('bool')}; declare field '${name}' as u8`, {
      file,
      row: Math.floor(wrong / size) + 1,
    });
  }
  return { rows, values };
}

function trimmed(shape: readonly number[]): readonly number[] {
  return shape.at(-1) === 1 ? trimmed(shape.slice(0, -1)) : shape;
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
