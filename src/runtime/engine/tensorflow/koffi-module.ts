/**
 * The foreign-function library itself. In a bundle this file is replaced by one that carries the library's binary, because an
 * executable has no `node_modules` around it.
 */

import type koffi from 'koffi';

/** Loads the module. Rejects where it has no binary for this system. */
export async function importKoffi(): Promise<typeof koffi> {
  const loaded = await import('koffi');
  return loaded.default;
}
