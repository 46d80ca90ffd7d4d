/** Which files of which packages an install holds, and where: a TensorFlow alone, or as in `site-packages` beside CUDA's. */
import { basename } from 'node:path';
import { EngineFault } from './engine-fault.js';
import type { PythonPackage, RecordedFile } from './engine-package.js';

export interface PlannedFile {
  readonly from: PythonPackage;
  readonly file: RecordedFile;
  /** In the install, with `/`. */
  readonly to: string;
  readonly mode: number;
}

const library = /^tensorflow\/libtensorflow_(?:framework|cc)\.so[.\d]*$/;
/** Libraries, and what XLA compiles with: the assembler and the bit code of CUDA's mathematics. */
const cudaFile = /^nvidia\/(?:.+\.so[.\d]*|[^/]+\/(?:bin|nvvm\/bin|nvvm\/libdevice)\/[^/]+)$/;
const program = /\/bin\/[^/]+$/;

const librariesOf = (one: PythonPackage): readonly RecordedFile[] =>
  one.files.filter(({ path }) => library.test(path));

const processors: ReadonlyMap<string, string> = new Map([
  ['x64', 'x86_64'],
  ['arm64', 'aarch64'],
]);

/** What wheels call this machine's processor, or null where TensorFlow has no wheels for it. */
export const processorName = (arch: string = process.arch): string | null => processors.get(arch) ?? null;

const fits = (platform: string): boolean =>
  platform === 'any' || (/^(many)?linux/.test(platform) && platform.endsWith(processorName() ?? '?'));

export interface Wanted {
  /** Null: the one that is there. */
  readonly version: string | null;
  readonly cuda: boolean;
}

/** The package that holds the library. */
export const tensorflowOf = (
  packages: readonly PythonPackage[],
  { version, cuda }: Wanted,
  where: string,
): PythonPackage => {
  const all = packages.filter(({ name }) => name.startsWith('tensorflow'));
  const holding = all.filter((one) => librariesOf(one).length > 0);
  const [first] = all;
  if (holding.length === 0) {
    throw new EngineFault(
      first === undefined
        ? `${where} holds no TensorFlow wheel`
        : `${first.origin} holds no libtensorflow_framework.so and libtensorflow_cc.so for Linux`,
    );
  }
  const right = holding.filter((one) => version === null || one.version === version);
  if (right.length === 0) {
    const found = [...new Set(holding.map((one) => one.version))].join(', ');
    throw new EngineFault(`${where} holds TensorFlow ${found}, not ${version ?? ''}`);
  }
  const fitting = right.filter(({ platforms }) => platforms.length === 0 || platforms.some(fits));
  const [one] = right;
  if (fitting.length === 0 && one !== undefined) {
    throw new EngineFault(
      `${basename(one.origin)} is for ${one.platforms.join(', ')}; this machine is Linux ${processorName() ?? process.arch}`,
    );
  }
  const versions = new Set(fitting.map((each) => each.version));
  if (versions.size > 1) {
    throw new EngineFault(
      `${where} holds TensorFlow ${[...versions].join(' and ')}; say which with --version`,
    );
  }
  // The package for CUDA has the plain name; without a GPU the smaller one is as good.
  const isPlain = ({ name }: PythonPackage): boolean => name === 'tensorflow';
  const chosen = fitting.find((each) => isPlain(each) === cuda) ?? (cuda ? undefined : fitting[0]);
  if (chosen === undefined) {
    const names = fitting.map(({ name }) => name).join(', ');
    throw new EngineFault(
      `${where} holds ${names}, which knows no GPU; --cuda needs the wheel of tensorflow`,
    );
  }
  return chosen;
};

/** What the extra `and-cuda` requires of NVIDIA, as requirements: `nvidia-nccl-cu12<3.0,>=2.27.7`. */
export const cudaRequirements = (tensorflow: PythonPackage): readonly string[] => {
  const found = tensorflow.requires.flatMap((line) => {
    const [requirement = '', marker = ''] = line.split(';');
    const name = /^nvidia-[\w.-]+/.exec(requirement)?.[0];
    return name !== undefined && /extra\s*==\s*['"]and-cuda['"]/.test(marker)
      ? [`${name}${requirement.slice(name.length).replace(/[()\s]/g, '')}`]
      : [];
  });
  if (found.length === 0) {
    throw new EngineFault(
      `${tensorflow.origin} names no CUDA wheels (the extra and-cuda); install it without --cuda`,
    );
  }
  return found;
};

/** Every file to unpack. */
export const plannedFiles = (
  tensorflow: PythonPackage,
  packages: readonly PythonPackage[],
  { cuda }: Wanted,
  where: string,
): readonly PlannedFile[] => {
  const libraries = librariesOf(tensorflow);
  for (const name of ['framework', 'cc']) {
    if (!libraries.some(({ path }) => path.includes(`_${name}.`))) {
      throw new EngineFault(`${tensorflow.origin} holds no libtensorflow_${name}.so`);
    }
  }
  const own = libraries.map((file) => ({
    from: tensorflow,
    file,
    to: cuda ? file.path : basename(file.path),
    mode: 0o644,
  }));
  if (!cuda) return own;
  const names = cudaRequirements(tensorflow).map((requirement) => /^[\w.-]+/.exec(requirement)?.[0] ?? '');
  const missing = names.filter((name) => !packages.some((one) => one.name === name));
  if (missing.length > 0) throw new EngineFault(`${where} lacks ${missing.join(', ')}`);
  const nvidia = packages.filter(({ name }) => names.includes(name));
  return [
    ...own,
    ...nvidia.flatMap((from) =>
      from.files
        .filter(({ path }) => cudaFile.test(path))
        .map((file) => ({ from, file, to: file.path, mode: program.test(file.path) ? 0o755 : 0o644 })),
    ),
  ];
};
