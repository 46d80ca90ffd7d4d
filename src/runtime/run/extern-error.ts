/** Errors of code that a spec declares by `extern`: they name what was declared, its file and, where it is known, the line. */
import { withDeepStacks } from '../engine/tensorflow/places.js';
import { RunError } from './run-error.js';

/** What a spec declares of a function or class of its own. */
export interface Extern {
  /** `metric`, `optimizer`, `schedule`, `layer`, `function`, `data source`. */
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

/** What an extern threw, as an error that names it, its file and its line. `doing` says what it was to do, where that is more than to run. */
function faultOf(about: Extern, error: unknown, doing = ''): ExternFault {
  if (error instanceof ExternFault) return error;
  const problem = error instanceof Error ? error.message : String(error);
  const place = placeIn(about.file, error instanceof Error ? error.stack : undefined);
  return new ExternFault(
    `${called(about)} failed${doing}${place === null ? '' : ` at ${place}`}: ${problem}`,
    {
      cause: error,
    },
  );
}

/** Runs code of an extern. What it throws becomes a RunError that names it, its file and its line. `doing` is as `faultOf` has it. */
export function inExtern<T>(about: Extern, body: () => T, doing = ''): T {
  try {
    return withDeepStacks(body);
  } catch (error) {
    throw faultOf(about, error, doing);
  }
}

/** The same of code that may be asynchronous. An error of a class in `passed` is thrown as it is. */
export async function inExternLater<T>(
  about: Extern,
  body: () => T | Promise<T>,
  passed: new (...args: never) => Error,
  doing = '',
): Promise<T> {
  try {
    return await withDeepStacks(body);
  } catch (error) {
    throw error instanceof passed ? error : faultOf(about, error, doing);
  }
}
