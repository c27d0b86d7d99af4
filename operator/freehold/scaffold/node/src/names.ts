/** The names of this service. */

export const NAME = "example-service";

/** The full name in the contract, also used for its health status. */
export const SERVICE = "example_service.v1.NotesService";
