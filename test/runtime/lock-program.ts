/** Takes a folder and says so, then waits to be killed. Bundled and started by `lock.test.ts`. */
import { lockFolder } from '../../src/runtime/checkpoint/lock.js';

const [, , folder = ''] = process.argv;
try {
  lockFolder(folder);
  process.stdout.write('taken\n');
  setInterval(() => undefined, 1000);
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
}
