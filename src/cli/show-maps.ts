/** What of a data set's maps the host computes, and what the step. */
import type { IrData, IrMap, IrNamed, IrType } from '../checker/ir.js';

const typeText = (type: IrType | undefined): string => {
  if (type?.kind !== 'tensor' && type?.kind !== 'text') return '';
  const of = type.kind === 'tensor' ? type.dtype : type.of;
  return ` ${of}${type.shape.length === 0 ? '' : `[${type.shape.join(', ')}]`}`;
};

/** Whether a field is more than one of the row, handed on. */
const isComputed = ({ value }: IrNamed): boolean =>
  !(value.kind === 'field' && value.of.kind === 'ref' && value.of.ref.kind === 'row');

const computed = (map: IrMap): readonly string[] =>
  map.fields.filter(isComputed).map(({ name }) => {
    const type = map.host?.find((each) => each.name === name)?.type;
    return `${name}${map.host === undefined ? '' : typeText(type)}`;
  });

const listed = (where: string, names: readonly string[]): readonly string[] =>
  names.length === 0 ? [] : [`${where} ${names.join(', ')}`];

/** `    on the host: image u8[96, 96, 3]; in the step: has_age`, or nothing where no field is computed. */
export const mapLines = ({ maps }: IrData): readonly string[] => {
  const host = maps.filter((map) => map.host !== undefined);
  const step = maps.filter((map) => map.host === undefined);
  const parts = [
    ...listed('on the host:', [...new Set(host.flatMap(computed))]),
    ...listed('in the step:', [...new Set(step.flatMap(computed))]),
  ];
  return parts.length === 0 ? [] : [`    ${parts.join('; ')}`];
};
