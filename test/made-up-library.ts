/** Files that look like TensorFlow's libraries as far as their headers go, and Python packages that hold them. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';

const machines: Readonly<Record<string, number>> = { x64: 0x3e, arm64: 0xb7, arm: 0x28 };

/** This machine's processor as wheels call it. */
export const processor = process.arch === 'arm64' ? 'aarch64' : 'x86_64';

export interface LibraryLook {
  readonly arch?: string;
  /** Of the whole file; what the header names ends with it. */
  readonly bytes?: number;
  readonly fill?: number;
}

/** An ELF header with one segment that is loaded, some bytes, and a table of sections at the end. */
export const library = ({ arch = process.arch, bytes = 4096, fill = 7 }: LibraryLook = {}): Buffer => {
  const file = Buffer.alloc(bytes, fill);
  file.fill(0, 0, 64);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(file);
  file.writeUInt16LE(3, 16);
  file.writeUInt16LE(machines[arch] ?? 0, 18);
  file.writeBigUInt64LE(64n, 32);
  file.writeBigUInt64LE(BigInt(bytes - 64), 40);
  for (const [value, at] of [
    [56, 54],
    [1, 56],
    [64, 58],
    [1, 60],
  ] as const) {
    file.writeUInt16LE(value, at);
  }
  file.fill(0, 64, 120);
  file.writeUInt32LE(1, 64);
  file.writeBigUInt64LE(0n, 72);
  file.writeBigUInt64LE(BigInt(bytes - 128), 96);
  return file;
};

export const names = ['libtensorflow_framework.so.2', 'libtensorflow_cc.so.2'] as const;

/** Writes both libraries to a folder, which is made. */
export const writeLibraries = (folder: string, look: LibraryLook = {}): string => {
  mkdirSync(folder, { recursive: true });
  for (const name of names) writeFileSync(join(folder, name), library(look));
  return folder;
};

export interface MadeUpPackage {
  readonly name: string;
  readonly version: string;
  readonly files: ReadonlyMap<string, Buffer>;
  readonly requires?: readonly string[];
  readonly platform?: string;
  /** RECORD tells another checksum than its content has. */
  readonly damaged?: string;
}

const infoOf = ({ name, version }: MadeUpPackage): string =>
  `${name.replaceAll('-', '_')}-${version}.dist-info`;

const record = ({ files, damaged }: MadeUpPackage): string =>
  [...files]
    .map(([path, content]) => {
      const digest = createHash('sha256').update(path === damaged ? 'another' : content);
      const shown = path.includes(',') ? `"${path}"` : path;
      return `${shown},sha256=${digest.digest('base64url')},${content.length}\n`;
    })
    .join('');

/** Everything in a package, its description too. */
export const contentOf = (one: MadeUpPackage): ReadonlyMap<string, Buffer> => {
  const requires = (one.requires ?? []).map((line) => `Requires-Dist: ${line}\n`).join('');
  const metadata = `Metadata-Version: 2.1\nName: ${one.name}\nVersion: ${one.version}\n${requires}\nRequires-Dist: not-a-header\n`;
  const tag = `Tag: cp312-cp312-${one.platform ?? `manylinux_2_27_${processor}`}`;
  const info = infoOf(one);
  return new Map([
    ...one.files,
    [`${info}/METADATA`, Buffer.from(metadata)],
    [`${info}/WHEEL`, Buffer.from(`Wheel-Version: 1.0\n${tag}\n`)],
    [`${info}/RECORD`, Buffer.from(`${record(one)}${info}/RECORD,,\n`)],
  ]);
};

/** A zip file, every other entry compressed. */
const zip = (entries: ReadonlyMap<string, Buffer>): Buffer => {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  [...entries].forEach(([name, content], index) => {
    const method = index % 2 === 0 ? 8 : 0;
    const packed = method === 8 ? deflateRawSync(content) : content;
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(method, 4);
    shared.writeUInt16LE(0x21, 8);
    shared.writeUInt32LE(crc32(content), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(content.length, 18);
    shared.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), shared, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(at, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), shared, rest, Buffer.from(name));
    parts.push(local);
    at += local.length;
  });
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.size, 8);
  end.writeUInt16LE(entries.size, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, central, end]);
};

/** Writes a wheel to a folder, under the name that it has in an index. */
export const writeWheel = (folder: string, one: MadeUpPackage): string => {
  const platform = one.platform ?? `manylinux_2_27_${processor}`;
  const path = join(folder, `${one.name.replaceAll('-', '_')}-${one.version}-cp312-cp312-${platform}.whl`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, zip(contentOf(one)));
  return path;
};

/** Writes a package as `pip install --target` leaves it. */
export const writeUnpacked = (folder: string, one: MadeUpPackage): void => {
  for (const [path, content] of contentOf(one)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
};

/** A TensorFlow with other files around its libraries. */
export const tensorflow = (
  version: string,
  more: Partial<MadeUpPackage> & { readonly look?: LibraryLook } = {},
): MadeUpPackage => ({
  name: 'tensorflow-cpu',
  version,
  files: new Map([
    ['tensorflow/__init__.py', Buffer.from('raise SystemExit\n')],
    ['tensorflow/a, b.txt', Buffer.from('a comma in a name')],
    ...names.map(
      (name, index) => [`tensorflow/${name}`, library({ fill: index + 1, ...more.look })] as const,
    ),
    ['tensorflow/python/_pywrap_tfe.so', library()],
  ]),
  ...more,
});
