/** Pictures in folders, one for each class. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { decodePicture, type Channels } from '../transforms/decode.js';
import type { Image } from '../transforms/image.js';
import { listed } from './cells.js';
import { DataError } from './data-error.js';
import { dataOf, type CommonOptions, type Data, type OpenRows } from './data.js';
import { errorCode, resolvePath, writtenPath, type DataPath, type FileHost } from './files.js';
import { stacked, type HostRow } from './prepared.js';
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

async function picturesIn(root: string, written: string, label: FieldType): Promise<readonly Picture[]> {
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
  return pictures;
}

async function decodeFile({ full, written }: Picture, channels: Channels): Promise<Image> {
  try {
    return decodePicture(await readFile(full), channels);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new DataError(
      `the picture cannot be read (${problem}); replace it, take it out, or set on_bad_row = "skip"`,
      { file: written },
    );
  }
}

async function openFolder(
  host: FileHost,
  root: string | DataPath,
  record: RecordType,
  { image: [image, , channels], label: [label, labelType] }: Fields,
  onBadRow: 'error' | 'skip',
): Promise<OpenRows> {
  const written = writtenPath(root);
  const found = await picturesIn(resolvePath(host.root, root), written, labelType);
  const pictures = onBadRow === 'error' ? found : await readable(found, channels);
  const rowOf = async (index: number): Promise<HostRow> => {
    const picture = pictures[index];
    if (picture === undefined) throw new RangeError(`${written} has no row ${index}`);
    return {
      [image]: await decodeFile(picture, channels),
      [label]: { dtype: 'i32', shape: [], values: Int32Array.of(picture.label) },
    };
  };
  const rows = (indices: Int32Array): Promise<readonly HostRow[]> => Promise.all(Array.from(indices, rowOf));
  return {
    length: pictures.length,
    skipped: found.length - pictures.length,
    rows,
    classes: (field) => (field === label ? Int32Array.from(pictures, (picture) => picture.label) : null),
    nameOf: (index) => pictures[index]?.written ?? written,
    async read(indices) {
      const places = Array.from(indices, (row) => ({ row }));
      return stacked(record, await rows(indices), places, {
        fileOf: (row) => pictures[row]?.written ?? written,
        lineOf: () => undefined,
      });
    },
    close: () => Promise.resolve(),
  };
}

/** Pictures that decode: whoever skips bad rows must know them before the rows are numbered. */
async function readable(found: readonly Picture[], channels: Channels): Promise<readonly Picture[]> {
  const kept: Picture[] = [];
  for (const picture of found) {
    const fits = await decodeFile(picture, channels).then(
      () => true,
      (error: unknown) => {
        if (error instanceof DataError) return false;
        throw error;
      },
    );
    if (fits) kept.push(picture);
  }
  return kept;
}
