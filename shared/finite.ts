/** Numbers for JSON, which can hold neither infinities nor NaN. */

/** The number itself, or null where JSON could not hold it. */
export const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
