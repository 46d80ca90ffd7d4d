/** Tries a library in a process of its own, because a damaged one, or a driver, may end the process that opens it. */
import { spawn } from 'node:child_process';
import { libraryIn } from '../runtime/engine/tensorflow/library-files.js';
import type { Probed } from '../runtime/engine/tensorflow/probe.js';
import { beforeSignalEnds } from './on-signals.js';
import { exits, streams } from './streams.js';

export type Outcome =
  | {
      readonly works: Probed;
      /** What the library said of a GPU that it could not use; empty where it said nothing. */
      readonly gpu?: string;
    }
  | { readonly fault: string };

const patienceMs = 300_000;

/** The hidden command that the process runs: one line of JSON. */
export const probeCommand = async (folder: string): Promise<number> => {
  const files = libraryIn(folder);
  if (files === null) {
    streams.print(JSON.stringify({ fault: `${folder} holds no TensorFlow library` }));
    return exits.runFailed;
  }
  try {
    const { probe } = await import('../runtime/engine/tensorflow/probe.js');
    streams.print(JSON.stringify({ works: await probe(files) }));
    return exits.well;
  } catch (error) {
    const [words = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    streams.print(JSON.stringify({ fault: words }));
    return exits.runFailed;
  }
};

const isOutcome = (value: unknown): value is Outcome =>
  typeof value === 'object' && value !== null && ('works' in value || 'fault' in value);

const readOutcome = (stdout: string): Outcome | null => {
  try {
    const read: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    return isOutcome(read) ? read : null;
  } catch {
    return null;
  }
};

/** The last of what the library itself said; its own lines begin with a date or a letter and a number. */
const lastWords = (stderr: string): string => {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const fatal = lines.findLast((line) =>
    /\bF\d* |Check failed|error while loading|symbol lookup|undefined symbol/.test(line),
  );
  return fatal === undefined ? '' : `; it said: ${fatal.trim().slice(0, 300)}`;
};

/** A library with CUDA says why it uses no GPU: no driver, a driver that is too old, a library that is missing. */
const wordsOnGpu = (stderr: string): string => {
  const said = stderr.split('\n').find((line) => /^[EW]\S* .*(cuda|cuInit|gpu|libcu|libnv)/i.test(line));
  return (
    said
      ?.replace(/^.*?\]\s*/, '')
      .trim()
      .slice(0, 300) ?? ''
  );
};

/** `program` is this command line's file. */
export const tryLibrary = (folder: string, program: string): Promise<Outcome> =>
  new Promise((resolve) => {
    // Before there is one: a signal may come while it is started.
    const forget = beforeSignalEnds(() => void child.kill('SIGKILL'));
    const child = spawn(process.execPath, [program, 'engine', 'probe', folder], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Errors of the library are wanted here, its notices are not.
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: process.env['TF_CPP_MIN_LOG_LEVEL'] ?? '2' },
      timeout: patienceMs,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (stderr = (stderr + data.toString()).slice(-100_000)));
    child.on('error', (error) => {
      forget();
      resolve({ fault: `cannot start a process to try it in: ${error.message}` });
    });
    child.on('close', (code, signal) => {
      forget();
      const outcome = code === exits.well || code === exits.runFailed ? readOutcome(stdout) : null;
      const how =
        signal === 'SIGKILL'
          ? 'it did not answer in time, or the system ended it for its memory'
          : `it ended the process that opened it (${signal ?? `code ${code}`}): the library is damaged or does not fit this system`;
      if (outcome !== null && 'works' in outcome) resolve({ ...outcome, gpu: wordsOnGpu(stderr) });
      else resolve(outcome ?? { fault: `${how}${lastWords(stderr)}` });
    });
  });
