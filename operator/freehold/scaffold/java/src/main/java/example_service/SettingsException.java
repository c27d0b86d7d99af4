package example_service;

/** Says in one sentence what whoever runs the command can put right. */
final class SettingsException extends Exception {
    private static final long serialVersionUID = 1;

    SettingsException(String sentence) {
        super(sentence);
    }
}
