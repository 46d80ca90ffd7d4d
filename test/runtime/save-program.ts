/** Saves one checkpoint after another, keeps one, and says which are done, until it is killed. Bundled and started by tests. */
import { deleteCheckpoint, pointTo, writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import { contents } from './checkpoint-contents.js';

const [, , folder = '', layout = '', from = '1'] = process.argv;
let before: string | null = null;
for (let step = Number(from); ; step += 1) {
  const saved = await writeCheckpoint(folder, contents(step, layout === 'ckpt' ? 'ckpt' : 'folder'));
  await pointTo(folder, 'last', step);
  process.stdout.write(`${step}\n`);
  if (before !== null) await deleteCheckpoint(before);
  before = saved;
}
