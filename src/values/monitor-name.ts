/** How a metric to make small or large is named in states, messages and files. */

/** `min(validate.loss)` */
export const monitorName = ({
  mode,
  metric,
}: {
  readonly mode: 'min' | 'max';
  readonly metric: string;
}): string => `${mode}(${metric})`;
