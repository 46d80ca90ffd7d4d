/** Calls into native libraries: the part of koffi that the engine uses, loaded only where a native engine is asked for. */

import { importKoffi } from './koffi-module.js';

/** A native function; arguments and result are what its declaration in C says. */
export interface ForeignFunction {
  (...given: readonly unknown[]): unknown;
  /** The same on another thread; the last argument is called with an error or null, and the result. */
  async(...given: readonly unknown[]): void;
}

export interface OpenedLibrary {
  /** Throws where the library has no such function. */
  func(declaration: string): ForeignFunction;
}

export interface ForeignFunctions {
  load(path: string, options?: { readonly global?: boolean; readonly lazy?: boolean }): OpenedLibrary;
  struct(name: string, members: Readonly<Record<string, string>>): unknown;
  /** Native memory, not copied. */
  view(address: bigint | null, bytes: number): ArrayBuffer;
  /** The function in the first library that has it. */
  find(libraries: readonly OpenedLibrary[], name: string, declaration: string): ForeignFunction;
}

/** Loads koffi. Rejects where it has no binary for this system. */
export async function loadKoffi(): Promise<ForeignFunctions> {
  const koffi = await importKoffi();
  return {
    load: (path, options) => (options === undefined ? koffi.load(path) : koffi.load(path, options)),
    struct: (name, members) => koffi.struct(name, { ...members }),
    view: (address, bytes) => koffi.view(address, bytes),
    find: (libraries, name, declaration) => {
      for (const library of libraries) {
        try {
          return library.func(declaration);
        } catch {
          // The next one may have it.
        }
      }
      throw new Error(
        `the TensorFlow library has no function ${name}; it is older than 2.16 or not TensorFlow`,
      );
    },
  };
}
