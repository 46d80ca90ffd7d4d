/** Errors of code that a spec declares by `extern`: they name what was declared, its file and, where it is known, the line. */
import { withDeepStacks } from '../engine/tensorflow/places.js';
import { RunError } from './run-error.js';

/** What a spec declares of a function or class of its own. */
export interface Extern {
  /** `metric`, `optimizer`, `schedule`, `layer`. */
  readonly what: string;
  /** As declared, in snake case. */
  readonly name: string;
  /** The file as the spec names it, `./own.ts`. */
  readonly file: string;
}

const called = ({ what, name, file }: Extern): string => `${what} \`${name}\` of ${file}`;

/** What an extern threw: told once, by the innermost. */
class ExternFault extends RunError {}

/** A complaint about what an extern gave. */
export function externError(about: Extern, problem: string): RunError {
  return new RunError(`${called(about)} ${problem}`);
}

/** Where in the extern's own file an error was thrown, `./own.ts:12:5`; null where its stack does not lead there. */
function placeIn(file: string, stack: string | undefined): string | null {
  const stem = (file.split('/').at(-1) ?? file).replace(/\.[cm]?[jt]sx?$/, '');
  for (const line of (stack ?? '').split('\n').slice(1)) {
    const [, name, place] = /([^\s/\\()]+)\.[cm]?[jt]sx?:(\d+:\d+)\)?$/.exec(line) ?? [];
    if (name === stem && place !== undefined) return `${file}:${place}`;
  }
  return null;
}

/** Runs code of an extern. What it throws becomes a RunError that names it, its file and its line. */
export function inExtern<T>(about: Extern, body: () => T): T {
  try {
    return withDeepStacks(body);
  } catch (error) {
    if (error instanceof ExternFault) throw error;
    const problem = error instanceof Error ? error.message : String(error);
    const place = placeIn(about.file, error instanceof Error ? error.stack : undefined);
    throw new ExternFault(`${called(about)} failed${place === null ? '' : ` at ${place}`}: ${problem}`, {
      cause: error,
    });
  }
}
