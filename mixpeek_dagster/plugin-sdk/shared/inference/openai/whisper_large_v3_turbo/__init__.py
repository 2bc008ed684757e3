"""Import names of the plugin SDK; the code is in mixpeek_dagster."""
