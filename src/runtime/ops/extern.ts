/** Functions of a spec that are written in TypeScript. */
import { inExtern } from '../run/extern-error.js';

/** What a spec declares of a function of its own: its name as declared, and the file as the spec names it. */
export interface ExternFunction {
  readonly name: string;
  readonly file: string;
}

/** What `call`, a call of the function, gives. Throws a RunError that names the function, its file and its line where it fails. */
export function extern<T>({ name, file }: ExternFunction, call: () => T): T {
  return inExtern({ what: 'function', name, file }, call);
}
