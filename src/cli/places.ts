/** Where a spec's trainer and executable go: beside it and in `dist`, or where `package.json` says. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { compilerPath, projectFolder } from '../node-host.js';
import type { SpecFile } from './specs.js';
import { Misuse } from './streams.js';

export interface Places {
  /** Folder of the emitted files, absolute, with `/`. */
  readonly generated: string;
  /** The executable, absolute. */
  readonly executable: string;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const known = ['generated', 'dist'];

/** `"ztrain": { "generated": "src/trainers", "dist": "bin" }`, folders from `package.json`'s own. */
const settingsOf = (project: string): ReadonlyMap<string, string> => {
  const file = join(project, 'package.json');
  if (!existsSync(file)) return new Map();
  let manifest: unknown;
  try {
    manifest = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw new Misuse(`cannot read ${file}: it is not JSON`);
  }
  const settings = isRecord(manifest) ? manifest['ztrain'] : undefined;
  if (settings === undefined) return new Map();
  if (!isRecord(settings))
    throw new Misuse(`"ztrain" in ${file} must be an object, such as { "dist": "bin" }`);
  return new Map(
    Object.entries(settings).map(([key, value]) => {
      if (!known.includes(key))
        throw new Misuse(`"ztrain" in ${file} has no setting "${key}"; it has ${known.join(', ')}`);
      if (typeof value !== 'string' || value === '')
        throw new Misuse(`"${key}" of "ztrain" in ${file} must be a folder`);
      return [key, value];
    }),
  );
};

export const placesOf = (spec: SpecFile, outDir?: string): Places => {
  const project = projectFolder(spec.path);
  const settings = settingsOf(project);
  const generated = settings.get('generated');
  const dist = outDir ?? join(project, settings.get('dist') ?? 'dist');
  return {
    generated: compilerPath(
      generated === undefined ? join(dirname(spec.path), 'generated') : join(project, generated),
    ),
    executable: compilerPath(join(dist, `${spec.name}.mjs`)),
  };
};
