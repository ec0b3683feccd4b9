/** Texts of people, groups, roles and invitations. */
export const people = {};

/** What the errors of these pages mean, by code. */
export const peopleErrors = {};
