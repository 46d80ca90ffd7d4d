/** Values of attributes that the run would refuse at its start, or at the end of its first epoch. */
import { wrongType } from '../../parser/messages.gen.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr } from '../ir.js';
import { optionOf, type TrainingInput } from './input.js';
import type { Run } from './run.js';
import { isLength } from './schedules.js';

const checkBetas = ({ trainer, report }: TrainingInput, run: Run): void => {
  for (const { options, kind, extern } of trainer.optimizers) {
    if (extern) continue;
    const betas = optionOf(options, 'betas');
    if (betas?.kind !== 'items') continue;
    for (const item of betas.items) {
      const found = evaluateIr(item, run.names);
      if (typeof found !== 'number' || (found >= 0 && found < 1)) continue;
      report(
        wrongType(item.span, {
          what: `a number of \`betas\` of \`${kind}\``,
          found: `${found}`,
          expected: '0 or more and below 1',
        }),
      );
    }
  }
};

/** The file of `predictions`, whose ending says how it is written. */
const checkPredictions = ({ trainer, report }: TrainingInput, run: Run): void => {
  for (const addon of trainer.addons) {
    const file = addon.name === 'predictions' ? optionOf(addon.options, 'file') : null;
    const path = file ? evaluateIr(file, run.names) : undefined;
    if (!file || typeof path !== 'string' || /\.(csv|jsonl)$/i.test(path)) continue;
    report(
      wrongType(
        file.span,
        {
          what: '`file` of `predictions`',
          found: JSON.stringify(path),
          expected: 'a file that ends in .csv or .jsonl',
        },
        { help: 'the ending says how rows are written: "predictions.csv", or "predictions.jsonl"' },
      ),
    );
  }
};

const imagesOf = (expr: IrExpr): IrExpr => (expr.kind === 'thunk' ? expr.value : expr);

const checkGrids = ({ trainer, report }: TrainingInput): void => {
  for (const addon of trainer.addons) {
    const of = addon.name === 'image_grid' ? optionOf(addon.options, 'of') : null;
    if (!of) continue;
    const { type, span } = imagesOf(of);
    const channels = type.kind === 'tensor' ? Number(type.shape[3]) : Number.NaN;
    if (Number.isNaN(channels) || [1, 3, 4].includes(channels)) continue;
    report(
      wrongType(
        span,
        {
          what: '`of` of `image_grid`',
          found: `images of ${channels} channels`,
          expected: '1, 3 or 4 channels',
        },
        { help: 'show one of them: `x[..., :1]`' },
      ),
    );
  }
};

/** Times between two events: of the trainer's lines, and of what add-ons do. */
const checkTimes = ({ trainer, report }: TrainingInput, run: Run): void => {
  const owners = [
    { what: 'the trainer', options: trainer.options },
    ...trainer.addons.map(({ name, options }) => ({ what: `\`${name}\``, options })),
  ];
  for (const { what, options } of owners) {
    for (const { name, value } of options) {
      const length = value.kind === 'quantity' ? evaluateIr(value, run.names) : undefined;
      if (typeof length !== 'number' || isLength(value, length)) continue;
      report(
        wrongType(value.span, {
          what: `\`${name}\` of ${what}`,
          found: `${length}`,
          expected: length > 0 ? 'a whole number of steps' : 'more than 0',
        }),
      );
    }
  }
};

/** `stop_at` and `diverge_at` of `early_stopping`: the one is better than the other. */
const checkThresholds = ({ trainer, report }: TrainingInput, run: Run): void => {
  for (const { name, options } of trainer.addons) {
    const monitor = optionOf(options, 'monitor');
    const stopAt = name === 'early_stopping' ? optionOf(options, 'stop_at') : null;
    const divergeAt = optionOf(options, 'diverge_at');
    if (!stopAt || !divergeAt || monitor?.kind !== 'monitor') continue;
    const good = evaluateIr(stopAt, run.names);
    const bad = evaluateIr(divergeAt, run.names);
    if (typeof good !== 'number' || typeof bad !== 'number') continue;
    if (monitor.mode === 'min' ? good < bad : good > bad) continue;
    const [first, second] = [`${good}`, `${bad}`];
    report(
      wrongType(
        stopAt.span,
        {
          what: '`stop_at` of `early_stopping`',
          found: first,
          expected: `a number ${monitor.mode === 'min' ? 'below' : 'above'} \`diverge_at\`, ${second},`,
        },
        {
          related: [{ span: divergeAt.span, label: 'too bad' }],
          help: `\`${monitor.mode}(…)\` is good where it is ${monitor.mode === 'min' ? 'small' : 'large'}: exchange the two`,
        },
      ),
    );
  }
};

/** Data is read again between epochs, never within one. */
const checkReload = ({ trainer, report }: TrainingInput, run: Run): void => {
  const given = optionOf(trainer.options, 'reload_data');
  const value = given ? evaluateIr(given, run.names) : undefined;
  if (!given || typeof value !== 'number' || value <= 0 || Number.isInteger(value)) return;
  report(
    wrongType(given.span, {
      what: '`reload_data` of the trainer',
      found: `${value}`,
      expected: 'a whole number of epochs',
    }),
  );
};

export const checkAttributeValues = (input: TrainingInput, run: Run): void => {
  checkBetas(input, run);
  checkPredictions(input, run);
  checkGrids(input);
  checkTimes(input, run);
  checkThresholds(input, run);
  checkReload(input, run);
};
