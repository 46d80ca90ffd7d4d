/** Folders of runs that nobody ran. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Line = Readonly<Record<string, number | string>>;

export const writeRun = (folder: string, lines: readonly (Line | string)[], stepsPerEpoch = 10): string => {
  mkdirSync(folder, { recursive: true });
  const run = { spec: { trainer: 'Made<Up>' }, pace: { stepsPerEpoch } };
  writeFileSync(join(folder, 'run.json'), JSON.stringify(run));
  const texts = lines.map((line) => (typeof line === 'string' ? line : `${JSON.stringify(line)}\n`));
  writeFileSync(join(folder, 'metrics.jsonl'), texts.join(''));
  return folder;
};

/** An epoch's training and a validation, `loss` halved in each of four epochs. */
export const fourEpochs: readonly Line[] = [1, 2, 3, 4].flatMap((epoch): readonly Line[] => {
  const at = { step: 10 * epoch, epoch, wall: 1.5 * epoch };
  const loss = 2 ** (1 - epoch);
  const rate = { steps_per_second: 7, 'lr.opt': 0.1 / epoch };
  return [
    { stage: 'train', over: 'epoch', ...at, ...rate, loss },
    { stage: 'validate', over: 'pass', ...at, loss: loss + 0.1, accuracy: 1 - loss / 2 },
  ];
});
