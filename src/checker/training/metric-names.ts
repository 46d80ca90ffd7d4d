/** ZT4109: a metric's name is its own in the lines of metrics, beside what the run writes there. */
import { metricNameTaken } from '../../parser/messages.gen.js';
import type { TrainingInput } from './input.js';
import { visitStatements } from './walk.js';

/** What each line says about itself. */
const ofLines: ReadonlySet<string> = new Set([
  'stage',
  'over',
  'step',
  'epoch',
  'wall',
  'steps_per_second',
  'rows_per_second',
]);

export const checkMetricNames = ({ trainer, report }: TrainingInput): void => {
  const alone = trainer.optimizers.length === 1;
  for (const step of trainer.steps) {
    const ofUpdates = new Map<string, string>();
    visitStatements(step.body, (statement) => {
      if (statement.kind !== 'update') return;
      const optimizers = statement.optimizers.map((each) => each.name);
      ofUpdates.set(alone ? 'loss' : [...optimizers, 'loss'].join('_'), 'what is minimized is logged as it');
      for (const name of optimizers)
        ofUpdates.set(
          alone ? 'grad_norm' : `${name}_grad_norm`,
          "the norm of an update's gradient is logged as it",
        );
    });
    for (const { name, span } of step.metrics) {
      const reason = ofLines.has(name)
        ? 'each line of metrics has a field of this name'
        : ofUpdates.get(name);
      if (reason === undefined) continue;
      const logged = ofUpdates.has(name) && name.endsWith('loss');
      const help = `choose another name${logged ? ', or leave it out where it is the same' : ''}`;
      report(metricNameTaken(span, { name, reason }, { help }));
    }
  }
};
