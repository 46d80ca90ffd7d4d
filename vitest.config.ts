import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

/** What must hold on every engine. The other suites never start one, or are about the embedded one. */
const onEveryEngine = [
  'test/checker/mixing.test.ts',
  'test/cli/verify-resume.test.ts',
  'test/runtime/accumulation.test.ts',
  'test/runtime/ahead.test.ts',
  'test/runtime/anomaly.test.ts',
  'test/runtime/checkpoint.test.ts',
  'test/runtime/copies.test.ts',
  'test/runtime/data-map.test.ts',
  'test/runtime/engine.test.ts',
  'test/runtime/externs.test.ts',
  'test/runtime/failed-calls.test.ts',
  'test/runtime/freezing.test.ts',
  'test/runtime/frozen-from.test.ts',
  'test/runtime/fused.test.ts',
  'test/runtime/generation.test.ts',
  'test/runtime/gradients.test.ts',
  'test/runtime/hooks.test.ts',
  'test/runtime/length-edges.test.ts',
  'test/runtime/joined.test.ts',
  'test/runtime/live.test.ts',
  'test/runtime/live-rescue.test.ts',
  'test/runtime/live-turns.test.ts',
  'test/runtime/losses.test.ts',
  'test/runtime/masked.test.ts',
  'test/runtime/metrics.test.ts',
  'test/runtime/measured.test.ts',
  'test/runtime/missing.test.ts',
  'test/runtime/nn.test.ts',
  'test/runtime/ops.test.ts',
  'test/runtime/optim.test.ts',
  'test/runtime/profile.test.ts',
  'test/runtime/output-rows.test.ts',
  'test/runtime/prepare-rescue.test.ts',
  'test/runtime/prepare-steps.test.ts',
  'test/runtime/pretrained.test.ts',
  'test/runtime/random.test.ts',
  'test/runtime/recurrent.test.ts',
  'test/runtime/rescue.test.ts',
  'test/runtime/resume.test.ts',
  'test/runtime/row-workers-run.test.ts',
  'test/runtime/rows.test.ts',
  'test/runtime/run-length.test.ts',
  'test/runtime/trainer-finite.test.ts',
  'test/runtime/trainer-progress.test.ts',
  'test/runtime/trainer.test.ts',
  'test/runtime/turns.test.ts',
  'test/checker/mixing.test.ts',
  'test/runtime/update-hooks.test.ts',
  'test/specs/extern-models.test.ts',
  'test/specs/host-fields.test.ts',
  'test/specs/houses.test.ts',
  'test/specs/measured-models.test.ts',
  'test/specs/measures.test.ts',
  'test/specs/pictures.test.ts',
  'test/specs/externs.test.ts',
  'test/specs/pretrained.test.ts',
  'test/specs/teachers.test.ts',
  'test/specs/totals.test.ts',
  'test/specs/training.test.ts',
  'test/specs/transfer.test.ts',
];

// The native engine has tests where its library is: `scripts/test.mjs` installs one and names it here.
const library = process.env['ZTRAIN_TENSORFLOW'] ?? '';

// What a user's own runs have left on the machine changes nothing, nor do tests change theirs.
const apart = { XDG_CACHE_HOME: fileURLToPath(new URL('.cache/tests', import.meta.url)) };

const native: TestProjectInlineConfiguration = {
  extends: true,
  test: {
    name: 'native',
    include: [...onEveryEngine, 'test/native/**/*.test.ts'],
    // The library takes a second to open, XLA some to compile.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    env: { ZTRAIN_TEST_ENGINE: 'tensorflow', ZTRAIN_ENGINE: 'tensorflow', ...apart },
  },
};

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          name: 'embedded',
          include: ['test/**/*.test.ts'],
          exclude: ['test/native/**'],
          // Hooks bundle programs and train; a machine that is shared takes its time.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          env: { ZTRAIN_TEST_ENGINE: 'embedded', ZTRAIN_ENGINE: 'embedded', ZTRAIN_TENSORFLOW: '', ...apart },
        },
      },
      ...(library === '' ? [] : [native]),
    ],
  },
});
