/** Pictures in folders, one for each class. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { decodePicture, type Channels } from '../transforms/decode.js';
import type { Image } from '../transforms/image.js';
import { listed } from './cells.js';
import { DataError, mostLeftOut, type LeftOut } from './data-error.js';
import { dataOf, type CommonOptions, type Data, type OpenRows, type RowMaker } from './data.js';
import { errorCode, resolvePath, writtenPath, type DataPath, type FileHost, type ReadFile } from './files.js';
import { stackedRows, type HostRow } from './prepared.js';
import { fieldText, numberFields, type Batch, type FieldType, type RecordType } from './record.js';

export interface ImageFolderOptions extends CommonOptions {
  /** The folder whose folders are the classes, relative to the data root. */
  readonly root: string | DataPath;
  /**
   * Two fields: u8[height, width, channels] with 1, 3 or 4 channels, where -1 stands for a size that differs from picture to picture,
   * and i32, the number of the class in the order of the folders' names.
   */
  readonly record: RecordType;
}

interface Fields {
  readonly image: readonly [name: string, type: FieldType, channels: Channels];
  readonly label: readonly [name: string, type: FieldType];
}

interface Picture {
  /** As in messages: below the root as it was written. */
  readonly written: string;
  readonly full: string;
  readonly label: number;
}

/** Rows of PNG and JPEG files (`.png`, `.jpg`, `.jpeg`) by class. They are decoded when they are read, and not kept. */
export function imageFolder<B extends Batch>({ root, record, ...common }: ImageFolderOptions): Data<B> {
  const written = writtenPath(root);
  const fields = fieldsOf(record, written);
  const source = {
    name: `image_folder ${written}`,
    record,
    key: JSON.stringify(['image_folder', written, record]),
    open: (host: FileHost, onBadRow: 'error' | 'skip') => openFolder(host, root, record, fields, onBadRow),
    inWorkers: {
      isOpened: false,
      open: (): RowMaker => ({
        rows: (_indices, handed) => decoded(isPictures(handed) ? handed : [], fields),
        close: () => Promise.resolve(),
      }),
    },
  };
  return dataOf<B>(source, common);
}

function fieldsOf(record: RecordType, file: string): Fields {
  const all = numberFields(record, file);
  const image = all.find(([, { dtype, shape }]) => dtype === 'u8' && shape.length === 3);
  const label = all.find(([, { dtype, shape }]) => dtype === 'i32' && shape.length === 0);
  const channels = image?.[1].shape[2];
  if (image === undefined || label === undefined || all.length !== 2 || !isChannels(channels)) {
    const got = all.map(([name, field]) => `${name}: ${fieldText(field)}`).join(', ');
    throw new DataError(
      `a record of image_folder has an image u8[height, width, channels] of 1, 3 or 4 channels and a class i32, got { ${got} }; correct the record`,
      { file },
    );
  }
  return { image: [image[0], image[1], channels], label };
}

function isChannels(count: number | undefined): count is Channels {
  return count === 1 || count === 3 || count === 4;
}

/** Names in the order of their code units: the same on every machine. */
async function namesIn(folder: string, written: string, folders: boolean): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const names = await Promise.all(
      entries
        .filter(({ name }) => !name.startsWith('.'))
        .map(async (entry) => {
          // What a link leads to counts, not the link.
          const is = entry.isSymbolicLink() ? await stat(path.join(folder, entry.name)) : entry;
          return is.isDirectory() === folders ? [entry.name] : [];
        }),
    );
    return names.flat().sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  } catch (error) {
    const code = errorCode(error);
    const problem =
      code === 'ENOENT'
        ? `there is no such folder (looked for ${folder}); correct the path, or say with --data-root where relative paths start`
        : code === 'ENOTDIR'
          ? `this is a file (${folder}), not a folder; name the folder that has one folder for each class`
          : `the folder cannot be read (${error instanceof Error ? error.message : String(error)})`;
    throw new DataError(problem, { file: written });
  }
}

const ending = /\.(png|jpe?g)$/i;

async function picturesIn(
  root: string,
  written: string,
  label: FieldType,
): Promise<{ readonly found: readonly Picture[]; readonly classes: readonly string[] }> {
  const classes = await namesIn(root, written, true);
  if (classes.length === 0)
    throw new DataError('there is no folder in it; each class has a folder of its own', { file: written });
  const { choices } = label;
  const other = choices === undefined ? undefined : classes.find((name) => !choices.includes(name));
  if (other !== undefined)
    throw new DataError(
      `the folder '${other}' is not one of ${listed(choices ?? [])}; correct the record or the folder`,
      { file: written },
    );
  const pictures: Picture[] = [];
  for (const [at, name] of classes.entries()) {
    const folder = path.join(root, name);
    for (const file of await namesIn(folder, `${written}/${name}`, false)) {
      if (!ending.test(file)) continue;
      pictures.push({
        written: `${written}/${name}/${file}`,
        full: path.join(folder, file),
        label: choices === undefined ? at : choices.indexOf(name),
      });
    }
  }
  return { found: pictures, classes: choices ?? classes };
}

/** Files that are read at once: a disk with many heads, or one over a network, is kept busy. */
const mostAtOnce = 16;

/** Does `each` for all pictures, some at a time. Results are in their order. */
async function ofAll<T>(
  pictures: readonly Picture[],
  each: (picture: Picture) => Promise<T>,
): Promise<readonly T[]> {
  const results: T[] = [];
  for (let from = 0; from < pictures.length; from += mostAtOnce)
    results.push(...(await Promise.all(pictures.slice(from, from + mostAtOnce).map(each))));
  return results;
}

/**
 * One digest of all pictures: the SHA-256 of each one's path below the folder, a byte 0, and the SHA-256 of its bytes, in the order of
 * the rows. Times of files play no part: a copy of the folder has the same.
 */
async function digestOfAll(pictures: readonly Picture[], written: string): Promise<string> {
  const digests = await ofAll(pictures, async (picture) =>
    createHash('sha256')
      .update(await contentsOf(picture))
      .digest(),
  );
  const all = createHash('sha256');
  for (const [at, digest] of digests.entries())
    all.update(`${pictures[at]?.written.slice(written.length + 1) ?? ''}\0`).update(digest);
  return all.digest('hex');
}

async function contentsOf({ full, written }: Picture): Promise<Buffer> {
  try {
    return await readFile(full);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new DataError(`the picture cannot be read (${problem}); put it back, or start anew`, {
      file: written,
    });
  }
}

/** The folder as one file that was read. Every picture is read for its digest, so it is made where it is asked for, once. */
async function folderRead(pictures: readonly Picture[], written: string): Promise<ReadFile> {
  const sizes = await ofAll(pictures, async ({ full }) => (await stat(full)).size);
  let made: Promise<string> | null = null;
  return {
    file: written,
    isFolder: true,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    get sha256() {
      made ??= digestOfAll(pictures, written);
      return made;
    },
  };
}

// What a worker is handed comes from `handed` below.
function isPictures(value: unknown): value is readonly Picture[] {
  return Array.isArray(value);
}

/** A picture's bytes; what is wrong with them is told when they are decoded. */
type Bytes = Promise<Buffer | Error>;

function bytesOf({ full }: Picture): Bytes {
  return readFile(full).catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)),
  );
}

async function decode(picture: Picture, reading: Bytes, channels: Channels): Promise<Image> {
  try {
    const bytes = await reading;
    if (bytes instanceof Error) throw bytes;
    return decodePicture(bytes, channels);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new UnreadPicture(problem, picture.written);
  }
}

/** A picture that cannot be read: it can be skipped. */
class UnreadPicture extends DataError {
  readonly reason: string;

  constructor(problem: string, file: string) {
    const reason = `the picture cannot be read (${problem})`;
    super(`${reason}; replace it, take it out, or set on_bad_row = "skip"`, { file });
    this.reason = reason;
  }
}

/** So many files are read while one is decoded. */
const readAhead = 4;

/** The rows of pictures, decoded one by one. */
async function* decoded(
  pictures: readonly Picture[],
  { image: [image, , channels], label: [label] }: Fields,
): AsyncGenerator<HostRow> {
  const reading: Bytes[] = [];
  for (const [at, picture] of pictures.entries()) {
    for (const next of pictures.slice(at + reading.length, at + readAhead)) reading.push(bytesOf(next));
    const own = reading.shift() ?? bytesOf(picture);
    yield {
      [image]: await decode(picture, own, channels),
      [label]: { dtype: 'i32', shape: [], values: Int32Array.of(picture.label) },
    };
  }
}

async function openFolder(
  host: FileHost,
  root: string | DataPath,
  record: RecordType,
  fields: Fields,
  onBadRow: 'error' | 'skip',
): Promise<OpenRows> {
  const written = writtenPath(root);
  const [label, labelType] = fields.label;
  const { found, classes } = await picturesIn(resolvePath(host.root, root), written, labelType);
  const { kept: pictures, leftOut } =
    onBadRow === 'error' ? { kept: found, leftOut: [] } : await readable(found, fields);
  host.note?.(await folderRead(pictures, written));
  const picturesAt = (indices: Int32Array): readonly Picture[] =>
    Array.from(indices, (index) => {
      const picture = pictures[index];
      if (picture === undefined) throw new RangeError(`${written} has no row ${index}`);
      return picture;
    });
  const rows = (indices: Int32Array): AsyncGenerator<HostRow> => decoded(picturesAt(indices), fields);
  return {
    length: pictures.length,
    skipped: found.length - pictures.length,
    leftOut,
    rows,
    handed: picturesAt,
    classes: (field) => (field === label ? Int32Array.from(pictures, (picture) => picture.label) : null),
    classNames: (field) => (field === label ? classes : null),
    nameOf: (index) => pictures[index]?.written ?? written,
    read: (indices) =>
      stackedRows(record, rows(indices), indices, (row) => ({ file: pictures[row]?.written ?? written })),
    close: () => Promise.resolve(),
  };
}

/** Pictures that decode: whoever skips bad rows must know them before the rows are numbered. The main thread looks, as it opens the folder. */
async function readable(
  found: readonly Picture[],
  { image: [, , channels] }: Fields,
): Promise<{ readonly kept: readonly Picture[]; readonly leftOut: readonly LeftOut[] }> {
  const kept: Picture[] = [];
  const leftOut: LeftOut[] = [];
  for (const picture of found) {
    const wrong = await decode(picture, bytesOf(picture), channels).then(
      () => null,
      (error: unknown) => {
        if (error instanceof UnreadPicture) return error;
        throw error;
      },
    );
    if (wrong === null) kept.push(picture);
    else if (leftOut.length < mostLeftOut) leftOut.push({ file: picture.written, reason: wrong.reason });
  }
  return { kept, leftOut };
}
