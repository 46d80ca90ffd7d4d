/**
 * Runs of before what a command line says of a data set or optimizer held for what amends it as well: `opt_a.lr=0.01` left `opt_b = opt_a { … }`
 * as the spec has it. What such a run was given would train other values now.
 */
import { heirsOf } from '../../values/amends.js';
import { parseOverride } from '../../values/overrides.js';
import { settingText } from '../../values/sweep.js';
import type { Attribute } from './attributes.js';
import { isHarmless, isSameAttribute } from './run-lock.js';
import type { AnyTrainer } from './run.js';

type Reaching = Pick<AnyTrainer, 'spec' | 'dataNames' | 'overrides'>;

/**
 * `before`: overrides that such a run was given. A sentence for each that holds for something else now, where the spec says otherwise of it.
 * Of data sets those count that are `used`.
 */
export function reachedHeirs(
  trainer: Reaching,
  attribute: (name: string) => Attribute | null,
  before: readonly string[],
  isSameSpec = true,
  used: readonly string[] = trainer.dataNames(),
): readonly string[] {
  const { amends = {} } = trainer.spec;
  const now = new Map(
    trainer.overrides.map(parseOverride).map(({ path, text }) => [path.join('.'), text] as const),
  );
  return before.flatMap((each) => {
    const [owner = '', option = ''] = parseOverride(each).path;
    const text = now.get(`${owner}.${option}`);
    if (isHarmless(each) || owner === 'trainer' || text === undefined) return [];
    const { data = [], optimizers = [] } = amends;
    const isGiven = (name: string): boolean => now.has(`${name}.${option}`);
    const heirs = [
      ...(data.length === 0 ? [] : heirsOf(data, owner, option, used, isGiven)),
      ...heirsOf(
        optimizers,
        owner,
        option,
        optimizers.map(({ name }) => name),
        isGiven,
      ),
    ];
    return heirs.flatMap((heir) => {
      const known = attribute(`${heir}.${option}`);
      if (isSameAttribute(known, undefined, text, isSameSpec)) return [];
      const value = isSameSpec ? known?.inSpec : undefined;
      const instead =
        value === undefined
          ? `name ${option} in ${heir} in the spec, as it was`
          : `give ${heir}.${option}=${settingText(value)}, as the spec has it`;
      return [
        `${owner}.${option}=${text} holds for ${heir} as well now, which amends ${owner}, and did not in the version that began this run; ${instead}`,
      ];
    });
  });
}
