/** What went wrong with an engine, in one line for its user: the process ends with code 3. */
import { reasonOf } from '../node-host.js';

export class EngineFault extends Error {
  override readonly name = 'EngineFault';
}

/** The fault for something that the system refused: a full disk, a missing permission. */
export const systemFault = (what: string, error: unknown): EngineFault =>
  error instanceof EngineFault ? error : new EngineFault(`${what}: ${reasonOf(error)}`);

/** Whether work ended because it was told to. */
export const isAbort = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'AbortError' || ('code' in error && error.code === 'ABORT_ERR'));
