/** Calls that make a trainer's add-ons. */
import type { ts } from 'ts-morph';
import type { IrAddon } from '../checker/ir.js';
import type { Place } from './context.js';
import { withOptions } from './expressions.js';
import { camel } from './names.js';
import type { Entry } from './tree.js';

/** Add-ons that do something with their name: it is one of their options. */
const LABELLED: ReadonlySet<string> = new Set(['image_grid', 'pretrained']);

export const emitAddon = (place: Place, addon: IrAddon, settings: readonly Entry[]): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  const isNamed = addon.label !== addon.name;
  const named = (made: ts.Expression): ts.Expression =>
    tree.at(
      addon.span,
      isNamed ? tree.call(unit.export('addons', 'named'), [tree.text(addon.label), made]) : made,
    );
  if (addon.module !== null) {
    const about = tree.object([
      { key: 'kind', value: tree.text(addon.name) },
      { key: 'phase', value: tree.text(addon.phase) },
      { key: 'owns', value: tree.array(addon.owns.map((effect) => tree.text(effect))) },
    ]);
    const made = tree.member(unit.extern(addon.module), camel(addon.name));
    const own = addon.many ? [{ key: 'label', value: tree.text(addon.label) }] : [];
    const options = tree.object([...own, ...settings]);
    return named(tree.call(unit.export('addons', 'extern'), [about, made, options]));
  }
  const isTold = isNamed && LABELLED.has(addon.name);
  const label = isTold ? [{ key: 'label', value: tree.text(addon.label) }] : [];
  const made = tree.call(unit.export('addons', addon.name), withOptions(place, [], [...label, ...settings]));
  return isTold ? tree.at(addon.span, made) : named(made);
};
