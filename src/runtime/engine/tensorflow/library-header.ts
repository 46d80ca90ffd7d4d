/** What the header of a shared library tells without opening it: opening one that is cut off may end the process. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

// Processors by their numbers in the header of an ELF file, under Node's names.
const machines: Readonly<Record<number, string>> = {
  0x03: 'ia32',
  0x15: 'ppc64',
  0x16: 's390x',
  0x28: 'arm',
  0x3e: 'x64',
  0xb7: 'arm64',
  0xf3: 'riscv64',
};

const headerBytes = 64;
const bits64 = 2;
const littleEndian = 1;
const sharedObject = 3;
const loadedSegment = 1;

/** What is wrong with a library's file as far as its header tells: another system's, another processor's, cut off. */
export function headerFault(path: string, arch: string = process.arch): string | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    return `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
  try {
    return faultOf(path, file, arch);
  } finally {
    closeSync(file);
  }
}

function faultOf(path: string, file: number, arch: string): string | null {
  const stat = fstatSync(file);
  if (!stat.isFile()) return `${path} is not a file`;
  const { size } = stat;
  const header = Buffer.alloc(headerBytes);
  if (size === 0) return `${path} is empty`;
  const read = readSync(file, header, 0, headerBytes, 0);
  if (read < 4 || header.toString('latin1', 0, 4) !== '\x7fELF') {
    return `${path} is no shared library of Linux`;
  }
  if (read < headerBytes) return `${path} is cut off: it has ${size} bytes, less than its header`;
  const machine = machines[header.readUInt16LE(18)] ?? 'another processor';
  if (machine !== arch) return `${path} is for ${machine}, this is ${arch}`;
  if (header[4] !== bits64 || header[5] !== littleEndian || header.readUInt16LE(16) !== sharedObject) {
    return `${path} is no shared library for 64-bit Linux`;
  }
  const end = endOf(file, header);
  return size < end ? `${path} is cut off or damaged: it has ${size} of ${end} bytes` : null;
}

/** Where the last of what the header names ends: segments that are loaded, and the table of sections, which comes last. */
function endOf(file: number, header: Buffer): number {
  const table = Number(header.readBigUInt64LE(32));
  const [entry, count] = [header.readUInt16LE(54), header.readUInt16LE(56)];
  const sections = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
  let end = Math.max(headerBytes, sections, table + entry * count);
  // Beyond the end there is nothing to read, and no position to read it from.
  if (end > fstatSync(file).size) return end;
  const segment = Buffer.alloc(56);
  for (let i = 0; i < count && entry >= segment.length; i++) {
    if (readSync(file, segment, 0, segment.length, table + i * entry) < segment.length) break;
    if (segment.readUInt32LE(0) !== loadedSegment) continue;
    end = Math.max(end, Number(segment.readBigUInt64LE(8)) + Number(segment.readBigUInt64LE(32)));
  }
  return end;
}
