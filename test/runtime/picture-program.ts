/**
 * A program with a trainer of its own, which it does not export. `main` runs it; with `at-import` it trains while it is imported, in
 * workers as well. Bundled and started by `row-workers.test.ts`.
 */
import { main } from '../../src/runtime/main.js';
import { PictureTrainer } from './picture-trainer.js';

class Mine extends PictureTrainer {
  static override readonly spec = { ...PictureTrainer.spec, trainer: 'Mine', module: import.meta.url };
}

const [, , how = '', root = ''] = process.argv;
if (how === 'main') process.exitCode = await main(Mine, process.argv.slice(3));
else {
  const trainer = new Mine({
    params: { root },
    overrides: [{ path: ['photos', 'workers'], text: '1' }],
  });
  await trainer.fit({ runDir: null }).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 3;
    throw error;
  });
}
