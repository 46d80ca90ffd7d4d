/** What a checkpoint says of its run is read once by a command that uses its weights: it may be large. */
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type * as read from '../../src/runtime/checkpoint/read.js';
import { main, type MainIo } from '../../src/runtime/main.js';
import { temporaryFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

const { reads } = vi.hoisted(() => ({ reads: { count: 0 } }));
vi.mock('../../src/runtime/checkpoint/read.js', async (original) => {
  const own = await original<typeof read>();
  return {
    ...own,
    readState: (...args: Parameters<typeof own.readState>) => {
      reads.count += 1;
      return own.readState(...args);
    },
  };
});

const root = temporaryFolder('read-once');
const io: Partial<MainIo> = {
  stdout: { write: () => undefined },
  stderr: { write: () => undefined },
  environment: {},
  onSignal: () => () => undefined,
};

test.each(['test', 'predict'])('%s reads the state once', async (command) => {
  const folder = join(root, command);
  expect(await main(LineTrainer, ['--run-dir', folder, 'trainer.limit.validate=1.batches'], io)).toBe(0);
  reads.count = 0;
  expect(await main(LineTrainer, [command, '--from', folder], io)).toBe(0);
  expect(reads.count).toBe(1);
});
