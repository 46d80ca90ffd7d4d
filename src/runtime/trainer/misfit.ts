/** Why weights do not fit the models, and what to do: what differs from when they were saved. */
import type { Checkpoint } from '../checkpoint/read.js';
import { changedModels } from './run-lock.js';
import type { AnyTrainer } from './run.js';

/**
 * Ends the message about a checkpoint that does not fit. `tokensSha256`: of the tokens of its spec, as its lock has it. `also`: what else is
 * known to differ, a line each.
 */
export function whyMisfit(
  checkpoint: Checkpoint,
  trainer: AnyTrainer,
  tokensSha256: unknown,
  also: readonly string[],
): string {
  const { settings, params, spec } = changedModels(checkpoint, trainer, tokensSha256);
  const lines = [...new Set([...params, ...spec, ...also])];
  if (lines.length === 0)
    return '; its params and its spec are the same, so code that makes models (of an extern, or of a class that extends the trainer) is another than it was trained with: go back to that';
  const keeps =
    checkpoint.specFiles.length === 0
      ? ''
      : ', which it keeps: test and predict of ztrainc take that one where no spec is named';
  const advice = [
    ...(settings.length === 0 ? [] : [`the params that it was trained with, ${settings.join(' ')}`]),
    ...(spec.length === 0 ? [] : [`the spec that it was trained with${keeps}`]),
  ];
  return [
    '; since it was written, this has changed:',
    ...lines.map((line) => `  ${line}`),
    advice.length === 0 ? 'go back to what it was' : `take ${advice.join(', and ')}`,
  ].join('\n');
}
