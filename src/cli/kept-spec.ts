/** The spec that a checkpoint keeps: `test` and `predict` need no other. */
import { posix } from 'node:path';
import { memoryHost, type Host } from '../checker/host.js';
import { compilerPath, nodeHost } from '../node-host.js';
import { findCheckpoint } from '../runtime/checkpoint/read.js';
import type { SpecFile } from './specs.js';
import { Misuse } from './streams.js';

export interface KeptSpec {
  readonly spec: SpecFile;
  readonly host: Host;
  /** Where it was found. */
  readonly checkpoint: string;
}

/**
 * The spec of a run's checkpoint, as if it lay in `folder`, where its data starts. Throws a Misuse where the checkpoint has none; rejects
 * with a RunError where there is no checkpoint.
 */
export const specOfCheckpoint = async (from: string, folder: string): Promise<KeptSpec> => {
  const { folder: checkpoint, specFiles } = await findCheckpoint(from);
  const root = compilerPath(folder);
  const at = (path: string): string => posix.join(root, path);
  // What is imported stands before what imports it.
  const entry = specFiles.at(-1);
  if (entry === undefined)
    throw new Misuse(`${checkpoint} keeps no spec; name it, such as specs/digits.ztrain`);
  // A spec is named from its own folder. What says otherwise was not written so, and its data would be looked for somewhere else.
  if (!/^(?!\.{1,2}$)[^/\\]+$/.test(entry.path))
    throw new Misuse(
      `${checkpoint} says that its spec is ${JSON.stringify(entry.path)}, which is no name of a file; name the spec`,
    );
  const kept = memoryHost(Object.fromEntries(specFiles.map(({ path, text }) => [at(path), text])));
  const name = posix.basename(entry.path);
  return {
    spec: { path: at(entry.path), shown: name, name: name.replace(/\.ztrain$/, '') },
    checkpoint,
    host: {
      readText: kept.readText,
      readHead: nodeHost.readHead,
      // Code is not kept: who has it names the spec.
      exists: () => true,
      rootOf: () => '/',
    },
  };
};
