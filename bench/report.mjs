/** Tables of what was measured. */

const sorted = (values) => values.toSorted((a, b) => a - b);
const quantile = (values, part) => sorted(values)[Math.round((values.length - 1) * part)] ?? Number.NaN;
export const median = (values) => quantile(values, 0.5);
export const least = (values) => Math.min(...values);

export const number = (value) =>
  value >= 100
    ? value.toFixed(0)
    : value >= 10
      ? value.toFixed(1)
      : value >= 1
        ? value.toFixed(2)
        : value.toFixed(3);

export const table = (head, rows) =>
  [head, head.map((_, index) => (index === 0 ? '---' : '---:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');

const names = {
  ours: 'ztrain',
  torch: 'PyTorch',
  keras: 'Keras',
  lightning: 'Lightning',
  tfjs: 'TensorFlow.js',
};
const named = ({ peer, mode }) =>
  `${names[peer]} ${mode.replaceAll('+', ', ').replaceAll('_', ' ').replace('*', ', steps an execution: ')}`;

const best = (sides, of) =>
  sides
    .filter(({ times }) => times.length > 0)
    .reduce((a, b) => (a !== null && of(a.times) <= of(b.times) ? a : b), null);

/** One case: a line for each side, then the ratios with their targets. */
export const report = ({ title, targets, peers }, sides) => {
  const rows = sides.map((side) =>
    side.times.length === 0
      ? [named(side), 'failed', '', '', '', '', '', '']
      : [
          named(side),
          number(least(side.times)),
          number(median(side.times)),
          `${number(quantile(side.times, 0.25))}–${number(quantile(side.times, 0.75))}`,
          number(least(side.processor)),
          side.natives?.length > 0 ? number(median(side.times) - median(side.natives)) : '',
          (side.first / 1000).toFixed(1),
          side.peak.toFixed(0),
        ],
  );
  const head = [
    '',
    'least',
    'median',
    'middle half',
    'processors, least',
    'host',
    'first step, s',
    'peak, MiB',
  ];
  const ours = sides.filter(({ peer }) => peer === 'ours');
  const all = targets.length > 0 ? targets : [{ peers: Object.keys(peers), ratio: null }];
  const ratios = all.map(({ peers: of, ratio }) => {
    const others = sides.filter(({ peer }) => of.includes(peer));
    if (best(ours, median) === null || best(others, median) === null) return '- nothing to compare';
    const ratioBy = (how) => how(best(others, how).times) / how(best(ours, how).times);
    const [byMedian, byLeast] = [ratioBy(median), ratioBy(least)];
    const who = `${named(best(ours, median))} against ${named(best(others, median))}`;
    const wish = ratio === null ? 'no target' : `target ${ratio}: ${byMedian >= ratio ? 'met' : 'missed'}`;
    return `- ${who}: **${number(byMedian)}** (least ${number(byLeast)}); ${wish}`;
  });
  const torch = sides.filter(({ peer, peak }) => peer === 'torch' && peak !== undefined);
  if (torch.length > 0 && best(ours, median) !== null) {
    const peakOf = (some) => Math.min(...some.map(({ peak }) => peak ?? Number.POSITIVE_INFINITY));
    const chosen = best(ours, median);
    const ratio = chosen.peak / peakOf(torch);
    ratios.push(
      `- peak memory, ${named(chosen)} against PyTorch's least: **${number(ratio)}**; target at most 1: ${ratio <= 1 ? 'met' : 'missed'}`,
    );
  }
  return `## ${title}\n\n${table(head, rows)}\n\n${ratios.join('\n')}`;
};

/** Another figure: a title, a table and lines below. */
export const figureTable = ({ title, head, rows, notes }) =>
  `## ${title}\n\n${table(head, rows)}${notes.length > 0 ? `\n\n${notes.map((note) => `- ${note}`).join('\n')}` : ''}`;
