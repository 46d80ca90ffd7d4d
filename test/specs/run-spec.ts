/** Runs a spec as its users do: compiled, bundled to an executable, started as a process of its own. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from '../../src/compiler.js';

const run = promisify(execFile);

export const specsFolder = fileURLToPath(new URL('../../specs', import.meta.url));

export interface Run {
  readonly folder: string;
  readonly summary: Readonly<Record<string, unknown>>;
  /** Last values, by full name (`validate.loss`). */
  readonly metrics: ReadonlyMap<string, number>;
  /** Best values of monitors, by the metric's full name. */
  readonly best: ReadonlyMap<string, number>;
  readonly records: readonly Readonly<Record<string, unknown>>[];
}

export interface Workplace {
  readonly folder: string;
  /** Builds a spec and returns the executable. */
  build(spec: string): Promise<string>;
  /** Trains, and reads what the run wrote. Words are params, attributes and options. */
  train(program: string, name: string, words: readonly string[]): Promise<Run>;
  /** Runs another command and returns what it prints. */
  call(program: string, words: readonly string[]): Promise<string>;
  remove(): void;
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};

const numbersOf = (value: unknown): ReadonlyMap<string, number> =>
  new Map(Object.entries(recordOf(value)).map(([name, number]) => [name, Number(number)]));

/** A folder outside the repository, with a copy of the specs and their data. */
export const openWorkplace = (): Workplace => {
  const folder = mkdtempSync(join(tmpdir(), 'ztrain-specs-'));
  cpSync(specsFolder, folder, { recursive: true });
  const call = async (program: string, words: readonly string[]): Promise<string> =>
    (await run(program, [...words], { cwd: folder })).stdout;
  return {
    folder,
    build: async (spec) => {
      const outFile = join(folder, 'dist', `${spec}.mjs`);
      const { diagnostics, faults, written } = await build(join(folder, `${spec}.ztrain`), { outFile });
      if (!written) throw new Error(JSON.stringify([...diagnostics, ...faults], null, 1));
      return outFile;
    },
    train: async (program, name, words) => {
      const runDir = join(folder, 'runs', name);
      await call(program, [...words, '--run-dir', runDir]);
      const read = (file: string): string => readFileSync(join(runDir, file), 'utf8');
      const summary = recordOf(JSON.parse(read('summary.json')));
      const best = Array.isArray(summary['best']) ? summary['best'].map(recordOf) : [];
      return {
        folder: runDir,
        summary,
        metrics: numbersOf(summary['metrics']),
        best: new Map(best.map(({ metric, value }) => [String(metric), Number(value)])),
        records: read('metrics.jsonl')
          .trim()
          .split('\n')
          .map((line) => recordOf(JSON.parse(line))),
      };
    },
    call,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};

/** The folder of a run's newest checkpoint. */
export const lastCheckpoint = ({ folder }: Run): string =>
  join(folder, 'checkpoints', readFileSync(join(folder, 'checkpoints', 'last'), 'utf8').trim());

/** The weights that a run's newest checkpoint holds. */
export const lastWeights = (run: Run): Buffer => readFileSync(join(lastCheckpoint(run), 'model.safetensors'));
