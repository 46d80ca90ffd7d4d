/** A run whose steps are long native calls. Bundled and started by `signals.test.ts`. */
import type { AddOn } from '../../src/runtime/addons/addon.js';
import { main } from '../../src/runtime/main.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Scalar, Tensor2D } from '../../src/runtime/tensor.js';
import * as losses from '../../src/runtime/losses/index.js';
import { LineTrainer, type Row } from '../runtime/tiny-trainer.js';

const size = 1024;
const products = Number(process.argv[2]);

/** Says when each step has ended. */
const told: AddOn = {
  kind: 'told',
  phase: 'independent',
  owns: [],
  withOptions: () => told,
  start: () => ({
    stepEnd: ({ step }) => {
      process.stderr.write(`ended ${step}\n`);
      return undefined;
    },
  }),
};

class SlowTrainer extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [told];
  }
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      const first = ops.mul<Tensor2D>(ops.ones<Tensor2D>({ shape: [size, size] }), ops.mean<Scalar>(batch.x));
      let product = first;
      for (let i = 0; i < products; i++) product = ops.mul(ops.matmul<Tensor2D>(product, first), 1 / size);
      const loss = rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y));
      this.log({ work: rows.mean(ops.mean<never>(product, { axis: 1 })) });
      return { minimize: loss };
    });
  }
}

process.exitCode = await main(SlowTrainer, process.argv.slice(3));
