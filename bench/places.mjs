/** Where things are, and where what is made goes. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const bench = dirname(fileURLToPath(import.meta.url));
export const root = dirname(bench);
/** Not in version control. */
export const cache = join(root, '.cache', 'bench');
