/** Python packages as wheels or as their tools unpack them: what is in them, with the checksums of their RECORD. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Entry, ZipFile } from 'yauzl';
import { EngineFault, isAbort } from './engine-fault.js';
import { reasonOf } from '../node-host.js';

export interface RecordedFile {
  /** In the package, with `/`. */
  readonly path: string;
  /** In hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
}

export interface PythonPackage {
  /** A wheel, or the folder that it was unpacked to. */
  readonly origin: string;
  /** Lower case, with `-`: `tensorflow-cpu`. */
  readonly name: string;
  readonly version: string;
  /** What METADATA says that it requires, line by line: `nvidia-nccl-cu12<3.0,>=2.27.7; extra == "and-cuda"`. */
  readonly requires: readonly string[];
  /** Systems that it is made for: `manylinux_2_27_x86_64`, `any`. */
  readonly platforms: readonly string[];
  readonly files: readonly RecordedFile[];
  readonly open: (path: string) => Promise<Readable>;
}

const infoFolder = /^[^/]+\.dist-info$/;

const normal = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');

/** What RECORD says of files, line by line: `path,sha256=base64,bytes`; a path with a comma stands in quotes. */
export const readRecord = (text: string): readonly RecordedFile[] =>
  text.split(/\r?\n/).flatMap((line) => {
    const [, quoted, plain, digest = '', bytes = ''] =
      /^(?:"((?:[^"]|"")*)"|([^",]*)),sha256=([\w-]+)=*,(\d+)$/.exec(line) ?? [];
    const path = quoted?.replaceAll('""', '"') ?? plain;
    return path === undefined
      ? []
      : [{ path, sha256: Buffer.from(digest, 'base64url').toString('hex'), bytes: Number(bytes) }];
  });

const headers = (text: string, name: string): readonly string[] =>
  (text.split(/\r?\n\r?\n/)[0] ?? '')
    .split(/\r?\n/)
    .flatMap((line) => (line.startsWith(`${name}:`) ? [line.slice(name.length + 1).trim()] : []));

const describe = (
  origin: string,
  info: { readonly metadata: string; readonly record: string; readonly wheel: string },
  open: (path: string) => Promise<Readable>,
): PythonPackage => {
  const [name] = headers(info.metadata, 'Name');
  const [version] = headers(info.metadata, 'Version');
  if (name === undefined || version === undefined) {
    throw new EngineFault(`${origin} is damaged: its METADATA has no name and version`);
  }
  return {
    origin,
    name: normal(name),
    version,
    requires: headers(info.metadata, 'Requires-Dist'),
    platforms: headers(info.wheel, 'Tag').map((tag) => tag.split('-').at(-1) ?? ''),
    files: readRecord(info.record),
    open,
  };
};

const textOf = async (stream: Readable): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString('utf8');
};

const openZip = async (path: string): Promise<ZipFile> => {
  const { default: yauzl } = await import('yauzl');
  return new Promise((resolve, reject) => {
    // Closed by hand: files are read after the list of names has ended.
    yauzl.open(path, { lazyEntries: true, autoClose: false }, (error, zip) => {
      if (error) reject(error);
      else resolve(zip);
    });
  });
};

const entriesOf = (zip: ZipFile): Promise<ReadonlyMap<string, Entry>> =>
  new Promise((resolve, reject) => {
    const entries = new Map<string, Entry>();
    zip.on('entry', (entry: Entry) => {
      entries.set(entry.fileName, entry);
      zip.readEntry();
    });
    zip.on('end', () => resolve(entries));
    zip.on('error', reject);
    zip.readEntry();
  });

const streamOf = (zip: ZipFile, entry: Entry): Promise<Readable> =>
  new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => {
      if (error) reject(error);
      else resolve(stream);
    });
  });

const openWheel = async (path: string): Promise<PythonPackage> => {
  try {
    const zip = await openZip(path);
    const entries = await entriesOf(zip);
    const open = async (name: string): Promise<Readable> => {
      const entry = entries.get(name);
      if (entry === undefined) throw new EngineFault(`${path} is damaged: ${name} is missing in it`);
      return streamOf(zip, entry);
    };
    const info = [...entries.keys()].map((name) => dirname(name)).find((name) => infoFolder.test(name));
    if (info === undefined) throw new EngineFault(`${path} is no wheel: it has no METADATA and RECORD`);
    const text = async (name: string): Promise<string> => textOf(await open(`${info}/${name}`));
    return describe(
      path,
      { metadata: await text('METADATA'), record: await text('RECORD'), wheel: await text('WHEEL') },
      open,
    );
  } catch (error) {
    if (error instanceof EngineFault) throw error;
    throw new EngineFault(`${path} is no wheel, or it is damaged: ${reasonOf(error)}`);
  }
};

const openUnpacked = (folder: string, info: string): PythonPackage => {
  const text = (name: string): string => readFileSync(join(folder, info, name), 'utf8');
  try {
    return describe(
      folder,
      { metadata: text('METADATA'), record: text('RECORD'), wheel: text('WHEEL') },
      (path) => Promise.resolve(createReadStream(join(folder, path))),
    );
  } catch (error) {
    if (error instanceof EngineFault) throw error;
    throw new EngineFault(`${join(folder, info)} is damaged: ${reasonOf(error)}`);
  }
};

/** The packages of a wheel, of a folder of wheels, or of a folder that packages are unpacked in. */
export const packagesIn = async (path: string): Promise<readonly PythonPackage[]> => {
  if (statSync(path).isFile()) return [await openWheel(path)];
  const wanted = /^(tensorflow|nvidia)[-_]/;
  // In an order of its own: the same packages give the same manifest.
  const names = readdirSync(path)
    .filter((name) => wanted.test(name))
    .sort();
  const wheels = names.filter((name) => name.endsWith('.whl'));
  const infos = names.filter((name) => infoFolder.test(name));
  return [
    ...(await Promise.all(wheels.map((name) => openWheel(join(path, name))))),
    ...infos.map((info) => openUnpacked(path, info)),
  ];
};

/** Writes a file of a package and compares it with RECORD. */
export const unpack = async (
  from: PythonPackage,
  file: RecordedFile,
  to: string,
  {
    mode,
    signal,
    advance,
  }: {
    readonly mode: number;
    readonly signal: AbortSignal;
    readonly advance: (bytes: number) => void;
  },
): Promise<void> => {
  mkdirSync(dirname(to), { recursive: true });
  const what = `${file.path} of ${basename(from.origin)}`;
  const hash = createHash('sha256');
  const counted = new PassThrough();
  counted.on('data', (part: Buffer) => {
    hash.update(part);
    advance(part.length);
  });
  const out = createWriteStream(to, { mode });
  // Told apart from what the other end of the pipe says: a full disk is no damaged wheel.
  let refused: unknown = null;
  out.on('error', (error) => (refused ??= isAbort(error) ? null : error));
  try {
    const source = await from.open(file.path);
    await pipeline(source, counted, out, { signal });
  } catch (error) {
    if (isAbort(error) || error instanceof EngineFault) throw error;
    throw refused === error
      ? new EngineFault(`cannot write ${to}: ${reasonOf(error)}`)
      : new EngineFault(`${what} is damaged: ${reasonOf(error)}; fetch it again`);
  }
  const digest = hash.digest('hex');
  if (digest !== file.sha256) {
    throw new EngineFault(
      `${what} is damaged: its sha256 is ${digest}, and RECORD says ${file.sha256}; fetch it again`,
    );
  }
};
