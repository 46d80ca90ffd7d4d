/** Paths in messages. */
import { relative } from 'node:path';

/** As a reader would type it from here. */
export function shortPath(path: string): string {
  const here = relative(process.cwd(), path);
  return here === '' || here.startsWith('..') ? path : here;
}
