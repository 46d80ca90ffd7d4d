/** How a metric that is watched is named in states, messages and files. */

/** `min(validate.loss)`; `validate.loss` where it is not said which way is better. */
export const monitorName = ({
  mode,
  metric,
}: {
  readonly mode: 'min' | 'max' | null;
  readonly metric: string;
}): string => (mode === null ? metric : `${mode}(${metric})`);
