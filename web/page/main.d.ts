/** The page: a picture, a painter, and what the visitor wants of them. */
export {};
