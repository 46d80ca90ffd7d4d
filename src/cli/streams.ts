/** The process as commands see it: what a program reads goes to `print`, what a person reads to `say`. */
import pc from 'picocolors';
import { reasonOf } from '../node-host.js';

export interface Streams {
  /** A line to stdout. */
  readonly print: (line: string) => void;
  /** A line to stderr. */
  readonly say: (line: string) => void;
  /** Colour on stderr: a terminal, no `NO_COLOR`, no CI. */
  readonly color: boolean;
  readonly paint: ReturnType<typeof pc.createColors>;
}

const isSet = (value: string | undefined): boolean => value !== undefined && value !== '';

/** Colour on a stream: a terminal that can, and nobody against it. */
export const wantsColor = (terminal: boolean, environment: NodeJS.ProcessEnv): boolean =>
  terminal && !isSet(environment['NO_COLOR']) && !isSet(environment['CI']) && environment['TERM'] !== 'dumb';

const makeStreams = (): Streams => {
  process.stdout.on('error', (error: Error) => {
    // `ztrainc explain | head` closes the pipe early, which is no fault.
    if ('code' in error && error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`error: cannot write to stdout: ${reasonOf(error)}\n`);
    process.exit(exits.runFailed);
  });
  // Who reads progress may leave: what was asked for goes on, and ends with its own code.
  process.stderr.on('error', () => undefined);
  const color = wantsColor(process.stderr.isTTY === true, process.env);
  return {
    print: (line) => void process.stdout.write(`${line}\n`),
    say: (line) => void process.stderr.write(`${line}\n`),
    color,
    paint: pc.createColors(color),
  };
};

/** Exit codes of every command. */
export const exits = { well: 0, diagnostics: 1, misuse: 2, runFailed: 3, compilerBug: 70 } as const;

export const streams: Streams = makeStreams();

/** A command line that cannot be followed: the process ends with code 2. */
export class Misuse extends Error {
  override readonly name = 'Misuse';
}
